// The thread that holds the embedded database: bytes of PostgreSQL's protocol in, bytes out, strictly in order.
// A query keeps this thread busy, never the master's.
import {PGlite} from '@electric-sql/pglite'
import {parentPort, workerData} from 'node:worker_threads'
import {startParams} from './lite-start.ts'

/** What the master's side sends: one exchange of the protocol, or the wish to close. */
export type ToWorker = {readonly bytes: Uint8Array<ArrayBuffer>} | {readonly close: true}
/** What comes back: ready once, then one answer per exchange. */
export type FromWorker =
  {readonly ready: true} | {readonly failed: string} | {readonly bytes: Uint8Array<ArrayBuffer>}

const port = parentPort
if (port === null) throw new Error('lite-worker.ts runs as a worker thread only')
const say = (message: FromWorker, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer)

try {
  const {dir} = workerData as {dir: string}
  const database = await PGlite.create({dataDir: dir, startParams})
  port.on('message', (message: ToWorker) => {
    if ('close' in message) {
      void database.close().finally(() => process.exit(0))
      return
    }
    const answer = database.execProtocolRawSync(message.bytes) as Uint8Array<ArrayBuffer>
    say({bytes: answer}, [answer.buffer])
  })
  say({ready: true})
} catch (error) {
  say({failed: error instanceof Error ? error.message : String(error)})
  process.exit(1)
}
