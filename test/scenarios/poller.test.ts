// The example poller of scripts/ against a real master: what a third party can build on the API alone.
import {execFile} from 'node:child_process'
import {chmodSync, readFileSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import test from 'ava'
import type {Build, Page} from '../../scripts/api.ts'
import {Repository} from '../support/repository.ts'
import {System} from '../support/system.ts'
import {builder, onPush, sh, written} from '../support/written.ts'

const script = 'scripts/example-poller.mjs'

test('the example poller promotes what was found good last, never backwards, never by force', async (t) => {
  const repository = await Repository.make(t)
  const first = await repository.commit('first', {check: 'true\n'})
  await repository.push('main', 'main:stable')
  const system = await System.start(t, {
    config: () =>
      written([builder('check', [{kind: 'git', repository: 'repo'}, sh('test', 'sh -e ./check')])], {
        ...onPush(repository),
      }),
    workers: ['w1'],
  })
  const made = await system.master.ostler('token', 'user', 'poller', '--role', 'viewer')
  const token = made.stdout.trim().split(/\s+/).at(-1) ?? ''
  const poll = async (given = token) => {
    const args = [script, system.master.url, 'check', `file://${repository.server}`, 'main', 'stable']
    const env = {PATH: process.env['PATH'], HOME: repository.home, OSTLER_TOKEN: given}
    const {code, stdout} = await new Promise<{code: number; stdout: string}>((resolve) => {
      execFile(process.execPath, args, {env}, (error, stdout) => {
        resolve({code: error === null ? 0 : Number(error.code), stdout})
      })
    })
    return {code, stdout}
  }
  const land = async (message: string, check: string) => {
    const revision = await repository.commit(message, {check})
    await repository.push('main')
    return revision
  }
  const built = (revision: string) =>
    system.until(`${revision.slice(0, 7)} is built`, async () => {
      const {items} = await system.api.get<Page<Build>>(`/builds?state=finished&revision=${revision}`)
      return items[0]
    })

  await built(first)
  t.like(await poll(), {code: 0, stdout: `stable has ${first} already\n`})
  t.like(await poll('wrong'), {code: 2})

  const good = await land('good', 'true\n')
  await built(good)
  t.deepEqual(await poll(), {code: 0, stdout: `stable moved to ${good} (check #2: success)\n`})
  t.is(await repository.tip('stable'), good)

  await built(await land('bad', 'false\n'))
  t.deepEqual(await poll(), {code: 0, stdout: 'nothing to promote: check #3: failure\n'})

  const better = await land('better', 'true\n# again\n')
  await built(better)
  // An ordinary forced build of what is old is none of the branch's own.
  await system.builds(await system.force('force', {branch: 'main', revision: first}))
  // Somebody is quicker than the push: the branch is theirs, and the next look says so.
  const hook = join(repository.server, 'hooks', 'pre-receive')
  await repository.git('checkout', '--quiet', '-b', 'stray', good)
  const stray = await repository.commit('stray', {stray: 'x'})
  await repository.push('stray')
  writeFileSync(
    hook,
    `#!/bin/sh\n[ -e raced ] || { touch raced; env -u GIT_QUARANTINE_PATH git update-ref refs/heads/stable ${stray}; }\n`,
  )
  chmodSync(hook, 0o755)
  t.like(await poll(), {code: 1})
  t.is(await repository.tip('stable'), stray)
  const diverged = await poll()
  t.is(diverged.code, 1)
  t.regex(diverged.stdout, /nothing is forced/)
  t.is(await repository.tip('stable'), stray)

  await repository.push('--force', `${better}:stable`)
  t.like(await poll(), {code: 0, stdout: `stable has ${better} already\n`})
})

test('the example poller is short enough to be read', (t) => {
  t.true(readFileSync(script, 'utf8').trimEnd().split('\n').length <= 60)
})
