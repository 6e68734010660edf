// `npm test [-- FILES or ava's options]`: makes the clone ready, then runs the tests (test/support/run.ts).
import {NotReady, ready} from './ready.mjs'

try {
  await ready()
  const {runTests} = await import('../dist/test/support/run.js')
  process.exitCode = await runTests(process.argv.slice(2))
} catch (error) {
  console.error(error instanceof NotReady ? `\n${error.message}` : error)
  console.log('0 passed, 1 failed')
  process.exitCode = 1
}
