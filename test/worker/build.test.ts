// Whole builds through a real worker process, a real websocket and real processes on the host.
import test from 'ava'
import {ScriptedMaster} from '../support/scripted-master.ts'
import {plan, startWorker, step, type WorkerProcess} from '../support/worker-process.ts'

let master: ScriptedMaster
let worker: WorkerProcess
let fences = 0
const nextFence = (): string => String(++fences)

test.before(async () => {
  master = await ScriptedMaster.listen()
  worker = startWorker(master)
  await master.connectedOnce()
})
test.after.always(async () => {
  await worker.stop()
  await master.close()
})

test('a build of two steps runs in order and tells its output', async (t) => {
  const fence = nextFence()
  master.offer(fence, plan([step('echo one; echo two >&2'), step('echo three; exit 4', {name: 'second'})]))
  const {result, summary} = await master.ended(fence)
  t.is(result, 'failure')
  t.is(summary, 'failure: second')
  t.is(master.log(fence, 0), 'one\ntwo\n')
  t.is(master.log(fence, 1), 'three\n')
  const ends = master.entries(fence, 'stepEnded')
  t.deepEqual(ends.map(({outcome}) => outcome), [{outcome: 'exited', code: 0}, {outcome: 'exited', code: 4}])
  t.deepEqual(master.told(fence).faults, [])
})
