// Promotions through the whole system: green commits move into stable, stable into devel, and the letters that tell of it.
import {execFileSync} from 'node:child_process'
import {createHmac} from 'node:crypto'
import {once} from 'node:events'
import {chmodSync, writeFileSync} from 'node:fs'
import {createServer} from 'node:http'
import {join} from 'node:path'
import test, {type ExecutionContext} from 'ava'
import type {Decision, Page, Promotion} from '../../scripts/api.ts'
import {Repository} from '../support/repository.ts'
import {System} from '../support/system.ts'
import {builder, onPush, sh, written} from '../support/written.ts'

interface Letter {
  readonly delivery: string
  readonly event: string
  readonly title: string
}

/** Somebody who takes letters, when they are in. */
class Receiver {
  readonly letters: Letter[] = []
  /** Each try, also those that were not taken. */
  readonly tries: string[] = []
  readonly faults: string[] = []
  isDown = false
  url = ''

  static async open(t: ExecutionContext, key: string): Promise<Receiver> {
    const receiver = new Receiver()
    const server = createServer((request, response) => {
      let body = ''
      request.setEncoding('utf8').on('data', (text: string) => (body += text))
      request.on('end', () => {
        const signed = `sha256=${createHmac('sha256', key).update(body).digest('hex')}`
        if (request.headers['x-ostler-signature-256'] !== signed)
          receiver.faults.push(`badly signed: ${body}`)
        const letter = JSON.parse(body) as Letter
        if (request.headers['ostler-delivery'] !== letter.delivery) receiver.faults.push('another delivery')
        receiver.tries.push(letter.delivery)
        if (!receiver.isDown) receiver.letters.push(letter)
        response.writeHead(receiver.isDown ? 503 : 204).end()
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    receiver.url = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}/letters`
    t.teardown(() => {
      server.closeAllConnections()
      server.close()
    })
    return receiver
  }

  get events(): string[] {
    return this.letters.map(({event}) => event)
  }
}

const key = 'the receiver has this key'

async function scene(t: ExecutionContext) {
  const repository = await Repository.make(t)
  await repository.commit('first', {check: 'true\n', file: 'first\n'})
  await repository.push('main', 'main:stable', 'main:devel')
  const receiver = await Receiver.open(t, key)
  const config = () =>
    written([builder('check', [{kind: 'git', repository: 'repo'}, sh('test', 'sh -e ./check')])], {
      ...onPush(repository),
      promotions: {
        committer: {name: 'Ostler', email: 'ostler@example.org'},
        rules: [
          {
            name: 'stable',
            kind: 'fastForward',
            source: 'repo',
            from: 'main',
            to: 'stable',
            green: {builders: ['check']},
          },
          {name: 'carry', kind: 'merge', source: 'repo', from: 'stable', to: 'devel'},
        ],
      },
      reporters: [
        {
          name: 'chat',
          kind: 'webhook',
          on: ['problem', 'fixed', 'promoted', 'carried', 'conflict'],
          url: receiver.url,
          secret: {secret: 'chat'},
        },
      ],
    })
  const system = await System.start(t, {config, workers: ['w1'], env: {OSTLER_SECRET_CHAT: key}})
  await system.event(({type}) => type === 'build.finished')
  return {repository, receiver, system}
}

const history = async (system: System, rule: string) =>
  (await system.api.get<Page<Decision>>(`/promotions/${rule}/history`)).items
const server = (repository: Repository, ...argv: string[]) =>
  execFileSync('git', ['--git-dir', repository.server, ...argv], {encoding: 'utf8'}).trim()

test('green commits move into stable and on into devel; red ones do not; each is told once, also to who was away', async (t) => {
  const {repository, receiver, system} = await scene(t)
  const first = await repository.tip('stable')
  await repository.commit('bad', {check: 'false\n'})
  await repository.push('main')
  await system.until('the problem is told', async () => (receiver.events.includes('problem') ? true : null))
  t.is(await repository.tip('stable'), first)

  receiver.isDown = true
  const good = await repository.commit('good', {check: 'true\n'})
  await repository.push('main')
  await system.event(({type, data}) => type === 'branch.promoted' && data['rule'] === 'stable')
  t.is(await repository.tip('stable'), good)
  await system.event(({type, data}) => type === 'branch.promoted' && data['rule'] === 'carry')
  const devel = (await repository.tip('devel')) ?? ''
  t.is(server(repository, 'merge-base', good, devel), good)
  await system.until('letters were tried', async () => (receiver.tries.length >= 4 ? true : null))
  receiver.isDown = false
  await system.until('they come when the receiver is back', async () =>
    receiver.letters.length >= 4 ? true : null,
  )
  t.deepEqual(receiver.events.toSorted(), ['carried', 'fixed', 'problem', 'promoted'])
  t.is(new Set(receiver.letters.map(({delivery}) => delivery)).size, 4)
  t.deepEqual(receiver.faults, [])
  t.true(
    (await history(system, 'stable')).some(({state, candidate}) => state === 'done' && candidate === good),
  )
})

test('a dry run writes nothing, and a conflict leaves the remote alone and is told once', async (t) => {
  const {repository, receiver, system} = await scene(t)
  // Somebody pushes to stable by hand: only the rule that carries it on has something to do.
  const hotfix = await repository.commit('hotfix', {other: 'x\n'})
  await repository.push('HEAD:stable')
  const before = {devel: await repository.tip('devel'), decisions: (await history(system, 'carry')).length}
  const dry = await system.master.ostler('promote', 'carry', '--dry-run')
  t.is(dry.code, 0, dry.stderr)
  t.regex(dry.stdout, /carry: promote: would move devel/)
  t.is(await repository.tip('devel'), before.devel)
  t.is((await history(system, 'carry')).length, before.decisions)
  const real = await system.master.ostler('promote', 'carry')
  t.is(real.code, 0, real.stderr)
  t.regex(real.stdout, /moved devel/)
  t.is(server(repository, 'merge-base', hotfix, (await repository.tip('devel')) ?? ''), hotfix)

  await repository.git('fetch', '--quiet', 'origin')
  await repository.git('checkout', '--quiet', '-B', 'devel', 'origin/devel')
  await repository.commit('theirs', {file: 'devel\n'})
  await repository.push('devel')
  await repository.git('checkout', '--quiet', '-B', 'stable', hotfix)
  await repository.commit('ours', {file: 'stable\n'})
  await repository.push('stable')
  const tips = async () => [
    await repository.tip('main'),
    await repository.tip('stable'),
    await repository.tip('devel'),
  ]
  const stood = await tips()
  const conflict = await system.master.ostler('promote', 'carry')
  t.is(conflict.code, 1)
  t.regex(conflict.stdout, /file/)
  t.deepEqual(await tips(), stood)
  await system.master.ostler('promote', 'carry')
  await system.until('the conflict is told', async () => (receiver.events.includes('conflict') ? true : null))
  await system.master.ostler('promote', 'carry')
  const events: string[] = []
  const readAll = async () => {
    for await (const {type} of system.api.events(null, AbortSignal.timeout(2500))) events.push(type)
  }
  await readAll().catch(() => undefined) // the time is up
  t.is(events.filter((type) => type === 'promotion.conflict').length, 1)
  t.is(receiver.events.filter((event) => event === 'conflict').length, 1)
})

test('a push that comes in between wins, and stable is judged anew', async (t) => {
  const {repository, system} = await scene(t)
  const stable = (await repository.tip('stable')) ?? ''
  const hotfix = await repository.commit('hotfix', {other: 'x\n'})
  await repository.push('HEAD:refs/heads/hotfix')
  await repository.git('reset', '--hard', '--quiet', stable)
  const hook = join(repository.server, 'hooks', 'pre-receive')
  writeFileSync(
    hook,
    `#!/bin/sh\nwhile read -r old new ref; do\n  [ "$ref" = refs/heads/stable ] && [ ! -e raced ] || continue\n  touch raced\n  env -u GIT_QUARANTINE_PATH git update-ref refs/heads/stable ${hotfix}\ndone\nexit 0\n`,
  )
  chmodSync(hook, 0o755)
  await repository.commit('good', {more: 'x\n'})
  await repository.push('main')
  await system.until('the race is a stored decision', async () =>
    (await history(system, 'stable')).some(({state}) => state === 'raced' || state === 'failed')
      ? true
      : null,
  )
  t.is(await repository.tip('stable'), hotfix)
  await system.master.ostler('promote', 'stable')
  t.is(await repository.tip('stable'), hotfix)
  const {items} = await system.api.get<Page<Promotion>>('/promotions')
  const rule = items.find(({name}) => name === 'stable')
  t.is(rule?.verdict, 'refuse')
  t.true((rule?.reasons.length ?? 0) > 0)
})
