// `npm run simulate -- --seeds N [--from SEED] [--seed SEED] [--json]`: makes the clone ready, then runs seeds of the
// simulation (test/simulation/main.ts).
import {whenReady} from './ready.mjs'

await whenReady(async () => {
  const {simulate} = await import('../dist/test/simulation/main.js')
  return simulate(process.argv.slice(2))
})
