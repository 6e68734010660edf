// `npm run bench [-- --json FILE --only P1,P2 --reps N]`: makes the clone ready, then measures (test/bench/main.ts).
import {whenReady} from './ready.mjs'

await whenReady(async () => {
  const {bench} = await import('../dist/test/bench/main.js')
  return bench(process.argv.slice(2))
})
