// `npm run crash-points [-- OPTIONS]`: makes the clone ready, then kills at every point (test/chaos/crash-points.ts).
import {whenReady} from './ready.mjs'

await whenReady(async () => {
  const {crashPoints} = await import('../dist/test/chaos/crash-points.js')
  return crashPoints(process.argv.slice(2))
})
