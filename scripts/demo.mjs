// `npm run demo [-- --once]`: makes the clone ready, then shows the whole of Ostler on a sample (scripts/demo.ts).
import {whenReady} from './ready.mjs'

await whenReady(async () => {
  const {demo} = await import('../dist/scripts/demo.js')
  return demo(process.argv.slice(2))
})
