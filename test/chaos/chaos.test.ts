// The storm and its judge, in short: what the judge compares with is what steps truly print, and a minute of kills,
// freezes and cuts loses, doubles and leaves nothing.
import {execFileSync} from 'node:child_process'
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import test from 'ava'
import {needs} from '../support/needs.ts'
import {chaos, flaws, readOptions, tell, withstand} from './chaos.ts'
import {awayFlaws, quarrel, takeAway} from './database-away.ts'
import {blows} from './storm.ts'
import {expectedResult, printed, readSide, stepNames, stepScript} from './witness.ts'

function first(seed: number) {
  const storm = blows(seed, 500)
  return Array.from({length: 50}, () => storm.next().value as unknown)
}

test('a seed always gives the same storm, and another seed another', (t) => {
  t.deepEqual(first(7), first(7))
  t.notDeepEqual(first(7), first(8))
})

test('what a step prints and writes down is what the judge works out', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'ostler-witness-'))
  t.teardown(() => rmSync(folder, {recursive: true}))
  const [script, side] = [join(folder, 'step.sh'), join(folder, 'side')]
  writeFileSync(script, stepScript)
  for (const key of [1, 13, 4711])
    for (const [number, name] of stepNames.entries()) {
      const run = () =>
        execFileSync('sh', [script, String(key), String(number), name, side], {
          env: {...process.env, OSTLER_ATTEMPT: '5'},
          encoding: 'utf8',
        })
      if (name === 'three' && expectedResult(key) === 'failure') {
        const error = t.throws(run) as unknown as {stdout: string; status: number}
        t.is(error.status, 1)
        t.is(error.stdout, printed(key, name))
      } else t.is(run(), printed(key, name))
    }
  t.is(readSide(side).get(13)?.get('5')?.get('three end'), 1)
  t.is(readFileSync(side, 'utf8').trim().split('\n').length, 18)
})

test('the options are understood, or it is said what is wrong with them', async (t) => {
  t.like(readOptions(['--seed', '7', '--pace', '200.5', '--database-away', '900']), {
    awaySeconds: 900,
    json: null,
    options: {seed: 7, builds: 200, paceMs: 200.5, grace: '25s'},
  })
  t.is(readOptions(['--help']), null)
  t.throws(() => readOptions(['--builds', 'x']), {
    message: '--builds wants a whole number of at least 1, not x',
  })
  t.throws(() => readOptions(['--minutes', '0']), {message: '--minutes wants a number above 0, not 0'})
  t.throws(() => readOptions(['--grace', 'soon']), {message: '--grace wants a time such as 25s, not soon'})
  t.is(await chaos(['--bilds', '3']), 2)
})

needs('postgresql').serial(
  'masters, workers and the database may be killed, frozen and cut off at any time: nothing is lost, doubled or left',
  async (t) => {
    t.timeout(300_000)
    const outcome = await withstand(
      {
        seed: 20_261_122,
        builds: 60,
        concurrent: 9,
        masters: 2,
        workers: 3,
        minutes: 1,
        paceMs: 500,
        grace: '25s',
      },
      () => undefined,
    )
    t.log(tell(outcome))
    for (const flaw of flaws) t.deepEqual(outcome[flaw], [], flaw)
    t.true(outcome.kills > 0 && outcome.builds > 0)
    t.is(outcome.logsCompared, 3 * outcome.builds)
  },
)

needs('postgresql').serial(
  'while the database is away builds go on, everybody is answered, nothing starts, and then all is recorded',
  async (t) => {
    t.timeout(300_000)
    const away = await takeAway(25_000, 50)
    for (const flaw of awayFlaws) t.deepEqual(away[flaw], [], flaw)
    t.true(away.stepsMeanwhile > 0)
  },
)

needs('postgresql').serial('a deadlock is tried again, and nobody notices', async (t) => {
  t.timeout(300_000)
  const outcome = await quarrel(30)
  t.true(outcome.deadlocks > 0)
  for (const flaw of ['lost', 'doubled', 'wrongBytes', 'zombies', 'leaks'] as const)
    t.deepEqual(outcome[flaw], [], flaw)
  t.is(outcome.attemptsLost, 0)
})
