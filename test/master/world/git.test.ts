// The door to git against real repositories, and servers that do not behave.
import test from 'ava'
import {execFile} from 'node:child_process'
import {chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile} from 'node:fs/promises'
import {createServer} from 'node:http'
import {createServer as createTcpServer} from 'node:net'
import type {AddressInfo, Server} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {promisify} from 'node:util'
import type {ExecutionContext} from 'ava'
import {Git, GitFault} from '../../../master/world/git.ts'
import type {Commit, GitOptions} from '../../../master/world/git.ts'
import {Repository} from '../../support/repository.ts'

const run = promisify(execFile)

async function openGit(
  t: ExecutionContext,
  options: Partial<GitOptions> = {},
): Promise<Git & {readonly stateDir: string}> {
  const stateDir = await mkdtemp(join(tmpdir(), 'ostler-state-'))
  t.teardown(() => rm(stateDir, {recursive: true, force: true}))
  return Object.assign(new Git({stateDir, secret: async (name) => `value of ${name}`, ...options}), {
    stateDir,
  })
}

async function readAll(git: Git, repository: Repository, revisions: readonly string[]): Promise<Commit[]> {
  const commits: Commit[] = []
  for await (const some of git.log(repository.source(), revisions)) commits.push(...some)
  return commits
}

const listen = async (t: ExecutionContext, server: Server) => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => void server.close())
  return (server.address() as AddressInfo).port
}

test('a fetch brings the heads, leaves out tags, and forgets what the server deleted', async (t) => {
  const repository = await Repository.make(t)
  const one = await repository.commit('one')
  await repository.git('tag', 'v1')
  await repository.git('branch', 'topic')
  await repository.push('main', 'topic', 'v1')
  const git = await openGit(t)
  t.deepEqual({...(await git.fetch(repository.source())).refs}, {main: one, topic: one})
  await repository.push(':topic')
  t.deepEqual({...(await git.fetch(repository.source())).refs}, {main: one})
})

test('a branch can become a directory of branches between two fetches', async (t) => {
  const repository = await Repository.make(t)
  const one = await repository.commit('one')
  await repository.push('main', 'main:a')
  const git = await openGit(t)
  await git.fetch(repository.source())
  await repository.push(':a')
  await repository.push('main:a/b')
  t.deepEqual({...(await git.fetch(repository.source())).refs}, {main: one, 'a/b': one})
})

test('odd branch names are kept apart or refused with a reason', async (t) => {
  const repository = await Repository.make(t)
  const one = await repository.commit('one')
  await repository.push(
    'main',
    'main:grün',
    'main:Case',
    'main:case',
    'main:refs/heads/-x',
    'main:refs/heads/--upload-pack=touch',
  )
  const server = ['-C', repository.server]
  await run('git', [
    ...server,
    'update-ref',
    Buffer.from('refs/heads/caf\xe9', 'latin1').toString('latin1'),
    one,
  ])
  const {refs, refused} = await (await openGit(t)).fetch(repository.source())
  t.is(refs['grün'], one)
  t.is(refs['Case'], one)
  t.is(refs['case'], one)
  t.deepEqual(refused.map(({branch}) => branch).sort(), ['--upload-pack=touch', '-x'])
  t.true(refused.every(({because}) => because.length > 10))
})

test('a URL cannot choose a program or an option', async (t) => {
  const repository = await Repository.make(t)
  const git = await openGit(t)
  const proof = join(repository.home, 'proof')
  for (const url of [`ext::sh -c touch% ${proof}`, `--upload-pack=touch ${proof}`, `-u`, `fd::17`]) {
    await t.throwsAsync(git.fetch(repository.source({url})), {instanceOf: GitFault}, url)
  }
  t.deepEqual(await readdir(repository.home), ['clone', 'server.git'])
})

test('what is no full revision never reaches git', async (t) => {
  const repository = await Repository.make(t)
  await repository.commit('one')
  await repository.push('main')
  const git = await openGit(t)
  await git.fetch(repository.source())
  for (const name of ['main', '--all', 'HEAD', '', `${'a'.repeat(40)}^{tree}`]) {
    await t.throwsAsync(git.treeOf(repository.source(), name), {message: /is not a full revision/})
  }
})

test('hooks and settings of the mirror or of the user do not run', async (t) => {
  const repository = await Repository.make(t)
  const one = await repository.commit('one')
  await repository.push('main', 'main:stable')
  const two = await repository.commit('two')
  await repository.push('main')
  const git = await openGit(t)
  await git.fetch(repository.source())
  const [mirror] = await readdir(join(git.stateDir, 'mirrors'))
  const hooks = join(git.stateDir, 'mirrors', mirror as string, 'hooks')
  await mkdir(hooks, {recursive: true})
  for (const hook of ['pre-push', 'reference-transaction', 'post-checkout']) {
    await writeFile(join(hooks, hook), `#!/bin/sh\ntouch ${join(repository.home, 'ran')}\nexit 1\n`)
    await chmod(join(hooks, hook), 0o755)
  }
  t.deepEqual(await git.push(repository.source(), 'stable', {expect: one, to: two}), {outcome: 'done'})
  await git.fetch(repository.source())
  t.false((await readdir(repository.home)).includes('ran'))
})

test('commits are read whatever bytes they hold', async (t) => {
  const repository = await Repository.make(t)
  const long = 'm'.repeat(1024 * 1024)
  const bytes = (text: string) => Buffer.from(text, 'latin1')
  await repository.fastImport(
    Buffer.concat([
      bytes(
        'commit refs/heads/main\nauthor J\xf6rg <j@example.org> 1700000000 +0100\ncommitter J\xf6rg <j@example.org> 1700000000 +0100\ndata 5\n\xff\xfe ok\n',
      ),
      bytes('M 644 inline "caf\\351\\n.txt"\ndata 1\nx\nM 644 inline :odd\ndata 1\nx\n\n'),
      bytes(
        `commit refs/heads/main\ncommitter Ann <ann@example.org> 1700000060 +0000\ndata ${long.length}\n${long}\n\n`,
      ),
      bytes('commit refs/heads/main\ncommitter Ann <ann@example.org> 99999999999999 +0000\ndata 0\n\n'),
      bytes(
        `M 644 inline f0\ndata 1\nx\n${Array.from({length: 1500}, (_, n) => `M 644 inline many/${n}\ndata 1\nx\n`).join('')}\n`,
      ),
    ]),
  )
  await repository.push('main')
  const git = await openGit(t)
  const {refs} = await git.fetch(repository.source())
  const {revisions} = await git.newCommits(repository.source(), refs['main'] as string, [], 10)
  const [odd, huge, empty] = (await readAll(git, repository, revisions)) as [Commit, Commit, Commit]
  t.is(odd.author, 'J\uFFFDrg <j@example.org>')
  t.true(odd.message.endsWith(' ok'))
  t.deepEqual([...odd.files].sort(), [':odd', 'caf\uFFFD\n.txt'])
  t.is(odd.committedAt?.getTime(), 1_700_000_000_000)
  t.true(Buffer.byteLength(huge.message) < 65 * 1024)
  t.regex(huge.message, /1048576 bytes, of which 65536 are kept\]$/)
  t.deepEqual([huge.files, huge.filesMore], [[], 0])
  t.is(empty.message, '')
  t.is(empty.committedAt, null)
  t.deepEqual([empty.files.length, empty.filesMore], [1000, 501])
})

test('a merge shows what it brought to its branch, and parents come before children', async (t) => {
  const repository = await Repository.make(t)
  await repository.commit('root')
  for (let n = 0; n < 5; n += 1) {
    await repository.git('checkout', '--quiet', '-b', `topic-${n}`)
    await repository.commit(`topic ${n}`, {[`topic-${n}`]: 'x'})
    await repository.git('checkout', '--quiet', 'main')
    await repository.commit(`main ${n}`, {[`main-${n}`]: 'x'})
    await repository.git('merge', '--quiet', '--no-ff', '-m', `merge ${n}`, `topic-${n}`)
  }
  await repository.commit('nothing', {})
  await repository.push('main')
  const git = await openGit(t)
  const {refs} = await git.fetch(repository.source())
  const {revisions} = await git.newCommits(repository.source(), refs['main'] as string, [], 100)
  const commits = await readAll(git, repository, revisions)
  t.is(commits.length, 17)
  const seen = new Set<string>()
  for (const commit of commits) {
    t.true(commit.parents.every((parent) => seen.has(parent)))
    seen.add(commit.revision)
  }
  t.deepEqual(
    commits.filter((commit) => commit.message === 'merge 3').map((commit) => commit.files),
    [['topic-3']],
  )
  t.deepEqual(commits.at(-1)?.files, [])
})

test('a push moves a branch only from where it was believed to be, and only forwards', async (t) => {
  const repository = await Repository.make(t)
  const one = await repository.commit('one')
  const two = await repository.commit('two')
  const three = await repository.commit('three')
  await repository.push('main', `${one}:refs/heads/stable`)
  const git = await openGit(t)
  const source = repository.source()
  await git.fetch(source)
  t.deepEqual(await git.push(source, 'stable', {expect: one, to: two}), {outcome: 'done'})
  t.deepEqual(await git.push(source, 'stable', {expect: one, to: two}), {outcome: 'done', wasThere: true})
  t.is((await git.push(source, 'stable', {expect: one, to: three})).outcome, 'raced')
  t.is((await git.push(source, 'stable', {expect: two, to: one})).outcome, 'refused')
  t.is(await git.readRemote(source, 'stable'), two)
  t.is(await git.readRemote(source, 'table'), null)
})

test('of twenty pushes at one time exactly one wins, and the others know that they raced', async (t) => {
  const repository = await Repository.make(t)
  const one = await repository.commit('one')
  await repository.push('main', 'main:stable')
  const heirs: string[] = []
  for (let n = 0; n < 20; n += 1) {
    await repository.git('reset', '--quiet', '--hard', one)
    heirs.push(await repository.commit(`heir ${n}`))
    await repository.push('-f', `HEAD:heir-${n}`)
  }
  const doors = await Promise.all(Array.from({length: 4}, () => openGit(t)))
  const source = repository.source()
  await Promise.all(doors.map((git) => git.fetch(source)))
  const outcomes = await Promise.all(
    heirs.map((heir, n) => (doors[n % 4] as Git).push(source, 'stable', {expect: one, to: heir})),
  )
  t.deepEqual(
    outcomes.map(({outcome}) => outcome).sort(),
    ['done', ...Array.from({length: 19}, () => 'raced')],
    JSON.stringify(outcomes),
  )
})

test('a hook that refuses, and a ref that is locked, are told apart', async (t) => {
  const repository = await Repository.make(t)
  const one = await repository.commit('one')
  await repository.push('main', 'main:stable')
  const two = await repository.commit('two')
  await repository.push('main')
  const git = await openGit(t)
  const source = repository.source()
  await git.fetch(source)
  await writeFile(join(repository.server, 'refs', 'heads', 'stable.lock'), '')
  t.is((await git.push(source, 'stable', {expect: one, to: two})).outcome, 'raced')
  await rm(join(repository.server, 'refs', 'heads', 'stable.lock'))
  const hook = join(repository.server, 'hooks', 'pre-receive')
  await writeFile(hook, '#!/bin/sh\necho "stale info: this branch is frozen" >&2\nexit 1\n')
  await chmod(hook, 0o755)
  const refused = await git.push(source, 'stable', {expect: one, to: two})
  t.is(refused.outcome, 'refused')
  t.regex(refused.outcome === 'done' ? '' : refused.because, /frozen/)
  t.is(await repository.tip('stable'), one)
})

test('a merge is made without touching the server, with the parents and committer asked for', async (t) => {
  const repository = await Repository.make(t)
  await repository.commit('root')
  await repository.git('branch', 'devel')
  const stable = await repository.commit('stable work', {a: '1'})
  await repository.git('checkout', '--quiet', 'devel')
  const devel = await repository.commit('devel work', {b: '1'})
  await repository.push('main', 'devel')
  const git = await openGit(t)
  const source = repository.source()
  await git.fetch(source)
  const commit = {
    message: 'Carry übrigens',
    committer: {name: 'Ostler', email: 'ostler@example.org'},
    at: 1_800_000_000_000,
  }
  const merged = await git.merge(source, devel, stable, commit)
  if (merged.merge !== 'clean') return t.fail('it is clean')
  t.deepEqual(await git.push(source, 'devel', {expect: devel, to: merged.revision}), {outcome: 'done'})
  await repository.git('fetch', '--quiet')
  t.is(
    await repository.git('log', '-1', '--format=%P|%cn <%ce>|%an|%ct|%B', 'origin/devel'),
    `${devel} ${stable}|Ostler <ostler@example.org>|Ostler|1800000000|Carry übrigens`,
  )
  t.is(await git.treeOf(source, merged.revision), merged.tree)

  const mine = await repository.commit('mine', {a: 'mine', 'with space': '1'})
  await repository.push('devel:other')
  await git.fetch(source)
  t.deepEqual(await git.merge(source, mine, stable, commit), {merge: 'conflict', files: ['a']})
})

test('histories without a common commit are told', async (t) => {
  const repository = await Repository.make(t)
  const one = await repository.commit('one')
  await repository.git('checkout', '--quiet', '--orphan', 'other')
  const other = await repository.commit('other')
  await repository.push('main', 'other')
  const git = await openGit(t)
  await git.fetch(repository.source())
  t.is((await git.lineage(repository.source(), one, other)).relation, 'unrelated')
  const commit = {message: 'm', committer: {name: 'O', email: 'o@example.org'}, at: 0}
  t.deepEqual(await git.merge(repository.source(), one, other, commit), {merge: 'unrelated'})
})

test('a server that is not there is unreachable, one that never answers runs out of time', async (t) => {
  const repository = await Repository.make(t)
  const git = await openGit(t, {networkMs: 1500})
  const gone = await listen(
    t,
    createTcpServer((socket) => socket.destroy()),
  )
  t.is(
    (await t.throwsAsync<GitFault>(git.fetch(repository.source({url: `git://127.0.0.1:${gone}/x`})))).kind,
    'unreachable',
  )
  t.is(
    (
      await t.throwsAsync<GitFault>(
        git.fetch(repository.source({url: `file://${repository.home}/nothing.git`})),
      )
    ).kind,
    'unreachable',
  )
  const sockets = new Set<{destroy(): void}>()
  const silent = await listen(
    t,
    createTcpServer((socket) => sockets.add(socket)),
  )
  t.is(
    (await t.throwsAsync<GitFault>(git.fetch(repository.source({url: `git://127.0.0.1:${silent}/x`})))).kind,
    'timeout',
  )
  for (const socket of sockets) socket.destroy()
})

test('a password goes only to the configured server, and never into a message', async (t) => {
  const repository = await Repository.make(t)
  const asked: (string | undefined)[] = []
  const server = createServer((request, response) => {
    asked.push(request.headers.authorization)
    response.writeHead(401, {'WWW-Authenticate': 'Basic realm="git"'}).end()
  })
  const port = await listen(t, server)
  const git = await openGit(t, {secret: async () => 'hush$(touch x)"\'\n'})
  const credentials = {user: 'bot', password: {secret: 'token'}, sshKey: null, knownHosts: null}
  const fault = await t.throwsAsync<GitFault>(
    git.fetch(repository.source({url: `http://127.0.0.1:${port}/r.git`, credentials})),
  )
  t.is(fault.kind, 'auth')
  t.false(fault.message.includes('hush'))
  t.true(asked.includes(`Basic ${Buffer.from('bot:hush$(touch x)"\'').toString('base64')}`))

  asked.length = 0
  const astray = await listen(
    t,
    createServer(
      (_request, response) =>
        void response
          .writeHead(301, {Location: `http://localhost:${port}/r.git/info/refs?service=git-upload-pack`})
          .end(),
    ),
  )
  await t.throwsAsync(git.fetch(repository.source({url: `http://127.0.0.1:${astray}/r.git`, credentials})))
  t.true(asked.length > 0)
  t.true(asked.every((header) => header === undefined))
})

test('a key lies in a private file only while git runs', async (t) => {
  const repository = await Repository.make(t)
  const git = await openGit(t, {secret: async () => 'PRIVATE KEY'})
  const port = await listen(
    t,
    createTcpServer((socket) => socket.end('no ssh here\r\n')),
  )
  const credentials = {user: null, password: null, sshKey: {secret: 'key'}, knownHosts: null}
  await t.throwsAsync(git.fetch(repository.source({url: `ssh://git@127.0.0.1:${port}/r.git`, credentials})), {
    instanceOf: GitFault,
  })
  t.deepEqual(
    (await readdir(join(git.stateDir, 'git-home'))).filter((name) => name.startsWith('key')),
    [],
  )
})

test('a mirror with a lock left behind works, a damaged one is made again', async (t) => {
  const repository = await Repository.make(t)
  const one = await repository.commit('one')
  await repository.push('main')
  const git = await openGit(t)
  await git.fetch(repository.source())
  const mirror = join(git.stateDir, 'mirrors', (await readdir(join(git.stateDir, 'mirrors')))[0] as string)
  await writeFile(join(mirror, 'packed-refs.lock'), '')
  await writeFile(join(mirror, 'refs', 'heads', 'main.lock'), '')
  const two = await repository.commit('two')
  await repository.push('main')
  const later = new Git({stateDir: git.stateDir, secret: async () => ''})
  t.is((await later.fetch(repository.source())).refs['main'], two)

  await rm(join(mirror, 'objects'), {recursive: true})
  await mkdir(join(mirror, 'objects', 'pack'), {recursive: true})
  await writeFile(join(mirror, 'refs', 'heads', 'main'), `${one}\n`)
  const three = await repository.commit('three')
  await repository.push('main')
  t.is((await later.fetch(repository.source())).refs['main'], three)
  await writeFile(join(mirror, 'HEAD'), '')
  t.is(
    (await new Git({stateDir: git.stateDir, secret: async () => ''}).fetch(repository.source())).refs['main'],
    three,
  )
  t.regex(await readFile(join(mirror, 'HEAD'), 'utf8'), /^ref: /)
})
