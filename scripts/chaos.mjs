// `npm run chaos [-- OPTIONS]`: makes the clone ready, then lets a storm loose on real processes (test/chaos/chaos.ts).
import {whenReady} from './ready.mjs'

await whenReady(async () => {
  const {chaos} = await import('../dist/test/chaos/chaos.js')
  return chaos(process.argv.slice(2))
})
