// Every shape the HTTP API answers with: the types of the server, of the OpenAPI document and of the web page.
// Times are ISO 8601 UTC, ids are text.
export * from './shapes/parts.ts'
export * from './shapes/builds.ts'
export * from './shapes/changes.ts'
export * from './shapes/workers.ts'
export * from './shapes/promotions.ts'
export * from './shapes/reports.ts'
export * from './shapes/people.ts'
export * from './shapes/waterfall.ts'
