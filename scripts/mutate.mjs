// `npm run mutate [-- --only NAME --list --json]`: makes the clone ready, then proves that tests can fail
// (test/mutation/main.ts).
import {whenReady} from './ready.mjs'

await whenReady(async () => {
  const {mutate} = await import('../dist/test/mutation/main.js')
  return mutate(process.argv.slice(2))
})
