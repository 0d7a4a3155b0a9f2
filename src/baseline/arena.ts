/**
 * Memory for what is kept of each series: rooms in pages of many. A typed array of its own has an object of V8 for
 * itself, one for its buffer, and the allocator's record of that, some 400 bytes; and thousands of small buffers among
 * the short-lived ones of reading answers keep what the process has grown to from being given back.
 *
 * A room is not garbage by itself: who took it gives it back. Afterwards it reads as nothing, and writing to it does
 * nothing, so that a mistake cannot reach what lies there next. When much was given back, rooms are moved together: where
 * a room is may change whenever one is given back, so views of it are made anew for each use.
 */

export interface Page {
  readonly doubles: Float64Array;
  readonly floats: Float32Array;
  readonly halves: Uint16Array;
  /** All that were ever taken of it; some may have moved. */
  readonly rooms: Room[];
  /** Bytes taken, and those of them that were given back. */
  filled: number;
  dead: number;
}

/** Who holds a room has these fields in its own record. They are set by the arena alone. */
export interface Room {
  page: Page;
  /** First byte in the page, a multiple of 8. */
  at: number;
  /** Size in bytes. */
  bytes: number;
}

export interface Arena {
  /** Gives the holder another room, filled with zeros; the one it had stays taken. */
  take(holder: Room, bytes: number): void;
  give(holder: Room): void;
  /** All pages, full or not. */
  bytes(): number;
}

/** Small beside thousands of series; what is never used of the last page is never resident. */
const PAGE_BYTES = 1 << 20;
/** What is larger than this share has a page of its own. */
const LARGE = 1 / 8;
/** Share of the memory in use that may lie idle, and a page more. */
const IDLE = 1 / 16;

const pageOf = (buffer: ArrayBuffer): Page => ({
  doubles: new Float64Array(buffer),
  floats: new Float32Array(buffer),
  halves: new Uint16Array(buffer),
  ...{ rooms: [], filled: 0, dead: 0 },
});

const NO_PAGE = pageOf(new ArrayBuffer(0));
export const noRoom = (): Room => ({ page: NO_PAGE, at: 0, bytes: 0 });
export const isReleased = ({ page }: Room): boolean => page === NO_PAGE;

export function createArena(pageBytes = PAGE_BYTES): Arena {
  const pages = new Set<Page>();
  let open = NO_PAGE;
  let filled = 0;
  let dead = 0;

  function pageWith(bytes: number): Page {
    const large = bytes > pageBytes * LARGE;
    if (!large && open.filled + bytes <= open.floats.byteLength) return open;
    const size = large ? bytes : pageBytes;
    // A resizable buffer comes from the system and goes back to it, others come from the heap of the C library.
    const page = pageOf(new ArrayBuffer(size, { maxByteLength: size }));
    pages.add(page);
    if (!large) open = page;
    return page;
  }

  function take(holder: Room, wanted: number): void {
    const bytes = 8 * Math.ceil(wanted / 8);
    const page = pageWith(bytes);
    holder.page = page;
    holder.at = page.filled;
    holder.bytes = bytes;
    page.rooms.push(holder);
    page.filled += bytes;
    filled += bytes;
  }

  function drop(page: Page): void {
    pages.delete(page);
    if (page === open) open = NO_PAGE;
    filled -= page.filled;
    dead -= page.dead;
  }

  function empty(page: Page): void {
    if (page === open) open = NO_PAGE;
    for (const room of page.rooms) {
      if (room.page !== page) continue;
      const { at, bytes } = room;
      take(room, bytes);
      room.page.halves.set(page.halves.subarray(at / 2, (at + bytes) / 2), room.at / 2);
    }
    drop(page);
  }

  /** Emptiest pages first, until half of what may lie idle is reached. */
  function tidy(): void {
    const most = (filled - dead) * IDLE + pageBytes;
    if (dead <= most) return;
    const byDead = [...pages].sort((a, b) => b.dead / b.filled - a.dead / a.filled);
    for (const page of byDead) {
      if (dead <= most / 2) return;
      empty(page);
    }
  }

  return {
    take,
    give(holder) {
      const { page, bytes } = holder;
      if (page === NO_PAGE) return;
      Object.assign(holder, noRoom());
      page.dead += bytes;
      dead += bytes;
      if (page.dead === page.filled) drop(page);
      else tidy();
    },
    bytes: () => [...pages].reduce((sum, page) => sum + page.floats.byteLength, 0),
  };
}
