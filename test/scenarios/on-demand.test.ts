// Promotions that the master leaves to whoever asks, as ostler-promote.timer does: one line for the journal, and the token from a
// credential of systemd.
import {mkdirSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import test from 'ava'
import {runOstler} from '../../scripts/processes.ts'
import {Repository} from '../support/repository.ts'
import {System} from '../support/system.ts'
import {builder, onPush, sh, written} from '../support/written.ts'

test('a green commit stays where it is until somebody asks, and one line says what was done', async (t) => {
  const repository = await Repository.make(t)
  const first = await repository.commit('first', {check: 'true\n'})
  await repository.push('main', 'main:stable', 'main:other')
  const second = await repository.commit('second', {check: 'true\n'})
  const rule = {kind: 'fastForward', source: 'repo', from: 'main', green: {builders: ['check']}}
  const system = await System.start(t, {
    workers: ['w1'],
    config: () =>
      written([builder('check', [{kind: 'git', repository: 'repo'}, sh('test', 'sh -e ./check')])], {
        ...onPush(repository),
        promotions: {
          run: 'onDemand',
          rules: [
            {...rule, name: 'stable', to: 'stable'},
            {
              ...rule,
              name: 'never',
              to: 'other',
              freeze: [{from: '00:00', until: '00:00', reason: 'for ever'}],
            },
          ],
        },
      }),
  })
  await system.event(({type}) => type === 'build.finished')
  await repository.push('main')
  await system.event(
    ({type, data}) => type === 'build.finished' && Number((data as {build: string}).build) > 1,
  )

  const credentials = join(system.folder, 'credentials')
  mkdirSync(credentials)
  const made = await system.master.ostler('token', 'user', 'timer', '--role', 'operator')
  writeFileSync(join(credentials, 'ostler-token'), made.stdout)
  const promote = async (...words: string[]) =>
    await runOstler(['promote', '--summary', ...words], {
      OSTLER_MASTER: system.master.url,
      CREDENTIALS_DIRECTORY: credentials,
    })
  const would = await promote('--dry-run')
  t.is(would.stdout, `2 rules: 1 would move (stable to ${second.slice(0, 12)}); never: wait\n`, would.stderr)
  t.is(await repository.tip('stable'), first)
  const did = await promote()
  t.is(did.stdout, `2 rules: 1 moved (stable to ${second.slice(0, 12)}); never: wait\n`)
  t.is(did.code, 0)
  t.is(await repository.tip('stable'), second)
  t.is((await promote()).stdout, '2 rules: 0 moved; stable: current; never: wait\n')
})
