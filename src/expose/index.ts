export { type DetectorDescription, type DetectorInfo, describeDetector } from './detector-info.ts';
export { type CauseConfidence, createMetrics, type Metrics, type MetricsOptions } from './metrics.ts';
export type { FindingQuery, Health, View } from './routes.ts';
export { createServer, type HttpServer, type ListenAddresses, type ServerOptions } from './server.ts';
