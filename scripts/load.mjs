// `npm run load [-- OPTIONS]`: makes the clone ready, then holds a long queue and many builds (test/bench/load.ts).
import {whenReady} from './ready.mjs'

await whenReady(async () => {
  const {load} = await import('../dist/test/bench/load.js')
  return load(process.argv.slice(2))
})
