// A step's log as the journal holds it.
import test from 'ava'
import {Attempt} from '../../../worker/world/attempt.ts'
import {StepLog} from '../../../worker/world/logs.ts'
import {freshDir, plan, step} from '../../support/worker-process.ts'

test('a log that ended before a crash gets no line of the worker any more, and ends once', async (t) => {
  const dir = freshDir()
  const assignment = {fence: '1', plan: plan([step('true')]), secrets: {}, workspace: 'b'}
  const before = Attempt.take(dir, assignment, () => false)
  before.record({entry: 'buildStarted', at: 1, executor: 'host'})
  before.record({entry: 'stepStarted', at: 2, step: 0, try: 1})
  const last = async (attempt: Attempt) => {
    const log = new StepLog(attempt, 0)
    await log.say('the host was restarted')
    log.end(3)
    return attempt.journal.last
  }
  t.is(await last(before), 4, 'the line and the end')
  before.journal.close()
  // Here the worker is killed: before the end of the step.
  const after = Attempt.find(dir, '1', () => false)
  t.truthy(after)
  if (!after) return
  t.is(await last(after), 4)
  after.record({entry: 'stepStarted', at: 5, step: 0, try: 2})
  t.is(await last(after), 7, 'another try says and ends again')
  after.journal.close()
})
