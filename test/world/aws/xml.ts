/** XML of the query protocols, escaped. */

export type XmlValue = string | number | boolean | Date | Raw | null | undefined;

interface Raw {
  readonly xml: string;
}

/** Characters that XML 1.0 does not allow are dropped: no escape makes them legal. */
export const escapeXml = (text: string): string =>
  text
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '')
    .replace(/[&<>"'\r]/g, (character) => ESCAPES[character]!);

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
  '\r': '&#13;',
};

type Fields = Readonly<Record<string, XmlValue>>;

const isRaw = (value: object): value is Raw => Object.keys(value).length === 1 && 'xml' in value;

/** The elements of a structure, in order; null and undefined ones are left out. */
export const fields = (children: Fields): Raw => ({
  xml: Object.entries(children)
    .map(([name, value]) => element(name, value).xml)
    .join(''),
});

export function element(name: string, children: Fields | XmlValue): Raw {
  if (children === null || children === undefined) return { xml: '' };
  if (typeof children !== 'object' || children instanceof Date) return { xml: `<${name}>${text(children)}</${name}>` };
  return { xml: `<${name}>${(isRaw(children) ? children : fields(children as Fields)).xml}</${name}>` };
}

/** `<item>…</item><item>…</item>`, to stand inside the list's own element. */
export const items = <T>(name: string, values: readonly T[], of: (value: T) => Fields | XmlValue): Raw => ({
  xml: values.map((value) => element(name, of(value)).xml).join(''),
});

const text = (value: string | number | boolean | Date): string =>
  value instanceof Date ? value.toISOString() : escapeXml(String(value));
