// What is remembered of git: once asked, bounded by what it holds, and never an answer that was none.
import test from 'ava'
import {recall} from '../../../master/flow/memory.ts'

test('a question is asked once, and again after it failed', async (t) => {
  const git = {}
  let asked = 0
  const ask = async () => ++asked
  t.deepEqual(
    [await recall(git, 'a', ask), await recall(git, 'a', ask), await recall({}, 'a', ask)],
    [1, 1, 2],
  )
  await t.throwsAsync(
    recall(git, 'b', () => Promise.reject(new Error('away'))),
    {message: 'away'},
  )
  t.is(await recall(git, 'b', ask), 3)
})

test('what holds many commits is forgotten, the longest unasked first', async (t) => {
  const git = {}
  const asked: string[] = []
  const ask = (name: string) =>
    recall(git, name, async () => (asked.push(name), 100_000), (commits) => commits) // prettier-ignore
  for (const name of ['a', 'b', 'a', 'c', 'a', 'b']) await ask(name)
  t.deepEqual(asked, ['a', 'b', 'c', 'b'])
})
