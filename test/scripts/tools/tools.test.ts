// The operators' tools as they are called, on the real engine.
import {spawn, spawnSync} from 'node:child_process'
import {mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {dirname, join} from 'node:path'
import test, {type ExecutionContext} from 'ava'
import {sourcesFrom} from '../../../scripts/tools/bootstrap.ts'
import {needs} from '../../support/needs.ts'
import {repository} from '../../support/sources.ts'

const folderOf = (t: ExecutionContext): string => {
  const folder = mkdtempSync(join(tmpdir(), 'ostler-tools-'))
  t.teardown(() => rmSync(folder, {recursive: true, force: true}))
  return folder
}

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

function tool(
  name: string,
  args: readonly string[],
  input = '',
  env: NodeJS.ProcessEnv = {},
): Promise<Ended> {
  const child = spawn(process.execPath, [join(repository, 'bin', `ostler-${name}`), ...args], {
    env: {...process.env, ...env},
  })
  const [out, err]: [string[], string[]] = [[], []]
  child.stdout.on('data', (bytes: Buffer) => out.push(bytes.toString()))
  child.stderr.on('data', (bytes: Buffer) => err.push(bytes.toString()))
  child.stdin.end(input)
  return new Promise((resolve) =>
    child.on('close', (code) => resolve({code, out: out.join(''), err: err.join('')})),
  )
}

function docker(...args: readonly string[]): string {
  const {status, stdout, stderr} = spawnSync('docker', args, {encoding: 'utf8'})
  if (status !== 0) throw new Error(`docker ${args.join(' ')}: ${stderr}`)
  return stdout.trim()
}

test('every tool has help, and wrong usage is told', async (t) => {
  for (const name of [
    'create-image',
    'list-images',
    'run-in-container',
    'cleanup-containers',
    'collect-logs',
  ]) {
    const {code, out} = await tool(name, ['--help'])
    t.is(code, 0)
    t.true(out.startsWith(`Usage: ostler-${name} `), out)
    const wrong = await tool(name, ['--nonsense'])
    t.is(wrong.code, 2)
    t.regex(wrong.err, /--help explains/)
  }
  t.is((await tool('list-images', ['--engine-socket', '/nowhere'])).code, 3)
})

test('a flavor that is wrong is told at its place, and one that is not there with those that are', async (t) => {
  const folder = folderOf(t)
  writeFileSync(join(folder, 'a.yaml'), 'summary: A\npackage: [git]\n')
  writeFileSync(join(folder, 'b.yaml'), 'summary: B\n  x: [\n')
  const wrong = await tool('create-image', ['a', '--flavors', folder])
  t.is(wrong.code, 2)
  t.regex(wrong.err, /a\.yaml: .*"package"/)
  t.regex((await tool('create-image', ['b', '--flavors', folder])).err, /b\.yaml:\d: /)
  t.regex(
    (await tool('create-image', ['../a', '--flavors', folder])).err,
    /no flavor \.\.\/a .*there are a, b/,
  )
})

test("packages come from this machine's own mirrors of its distribution, and from nobody else's", (t) => {
  const places = [
    {uri: 'http://m/debian/', release: 'trixie', origin: 'Debian'},
    {uri: 'http://m/debian/', release: 'trixie-updates', origin: 'Debian'},
    {uri: 'http://m/security/', release: 'trixie-security', origin: 'Debian'},
    {uri: 'http://else/', release: 'trixie', origin: 'Docker'},
    {uri: 'http://m/debian/', release: 'sid', origin: 'Debian'},
  ]
  const own = {codename: 'trixie', origin: 'debian'}
  t.deepEqual(sourcesFrom(places, own, 'forky', ['main', 'contrib']), [
    'deb http://m/debian/ forky main contrib',
    'deb http://m/debian/ forky-updates main contrib',
    'deb http://m/security/ forky-security main contrib',
  ])
})

needs('images', 'mmdebstrap').serial(
  'an image is made from a flavor once, anew when that changes, and not named when it lacks something',
  async (t) => {
    const folder = folderOf(t)
    const name = `test-${String(process.pid)}`
    const file = join(folder, `${name}.yaml`)
    const list = async () => {
      const {items} = JSON.parse((await tool('list-images', ['--json', '--flavors', folder])).out) as {
        items: {flavor: string; state: string; id: string}[]
      }
      return items.filter(({flavor}) => flavor === name)
    }
    t.teardown(() => {
      for (const id of docker('images', '--all', '--quiet', '--filter', `label=ostler.flavor=${name}`).split(
        '\n',
      ))
        if (id !== '') docker('rmi', '--force', id)
    })
    writeFileSync(file, 'summary: A test\ncheck: [nonesuch]\nsetup: rm /usr/bin/setsid\n')
    const lacking = await tool('create-image', [name, '--flavors', folder])
    t.is(lacking.code, 1, lacking.err)
    t.regex(lacking.err, /lacks setsid, nonesuch, and did not get its name/)
    t.deepEqual(await list(), [])

    writeFileSync(file, 'summary: A test\nsetup: echo made >/etc/made\n')
    t.regex(
      (await tool('create-image', [name, '--flavors', folder, '--dry-run'])).out,
      /would be made: there is none yet/,
    )
    const made = await tool('create-image', [name, '--flavors', folder])
    t.is(made.code, 0, made.err)
    t.deepEqual(
      (await list()).map(({state}) => state),
      ['current'],
    )
    t.regex((await tool('create-image', [name, '--flavors', folder])).out, /is as its flavor says/)

    const ran = await tool('run-in-container', [
      '--workspace',
      folder,
      '--network',
      'none',
      name,
      'sh',
      '-c',
      'pwd; cat /etc/made; echo x >left; grep NoNewPrivs /proc/self/status; exit 3',
    ])
    t.is(ran.code, 3, ran.err)
    t.is(ran.out, '/ostler/workspace\nmade\nNoNewPrivs:\t1\n')
    t.is(readFileSync(join(folder, 'left'), 'utf8'), 'x\n')

    writeFileSync(file, 'summary: A test\nsetup: echo other >/etc/made\n')
    t.deepEqual(
      (await list()).map(({state}) => state),
      ['changed'],
    )
    t.regex(
      (await tool('create-image', [name, '--flavors', folder, '--dry-run'])).out,
      /its flavor has changed/,
    )
  },
)

needs('images').serial(
  'what a container reads and writes goes through, and what is not there is told',
  async (t) => {
    const fed = await tool('run-in-container', ['ostler-test/busybox', 'cat'], 'hello\n')
    t.deepEqual(fed, {code: 0, out: 'hello\n', err: ''})
    t.is((await tool('run-in-container', ['ostler-test/busybox', 'sh', '-c', 'echo err >&2'])).err, 'err\n')
    t.is((await tool('run-in-container', ['ostler-test/none', 'true'])).code, 2)
    t.is((await tool('run-in-container', ['ostler-test/busybox', 'nonesuch'])).code, 127)
    const asked = await tool('run-in-container', [
      '--memory',
      '64MiB',
      '--cpus',
      '0.5',
      '--dry-run',
      'ostler-test/busybox',
    ])
    const {HostConfig} = JSON.parse(asked.out) as {HostConfig: Record<string, unknown>}
    t.is(HostConfig['Memory'], 64 * 1024 ** 2)
    t.deepEqual(HostConfig['CapDrop'], ['ALL'])
  },
)

needs('images').serial("only Ostler's containers that nobody holds are removed", async (t) => {
  const folder = folderOf(t)
  const [held, gone] = [join(folder, 'held', 'box'), join(folder, 'gone', 'box')]
  for (const place of [held, gone]) mkdirSync(place, {recursive: true})
  const mark = `ostler-tools-${String(process.pid)}`
  const start = (name: string, ...options: string[]) =>
    docker(
      'run',
      '--detach',
      '--name',
      `${mark}-${name}`,
      '--network',
      'none',
      ...options,
      'ostler-test/busybox',
      'sleep',
      '600',
    )
  const labels = ['--label', 'ostler.state=test', '--label', 'ostler.worker=w', '--label', 'ostler.build=7']
  const names = ['foreign', 'held', 'gone', 'ended']
  t.teardown(() =>
    spawnSync('docker', ['rm', '--force', '--volumes', ...names.map((name) => `${mark}-${name}`)]),
  )
  start('foreign', '--label', 'com.example=ostler.state', '--volume', `${gone}:/ostler/attempt`)
  start('held', ...labels, '--volume', `${held}:/ostler/attempt`)
  start('gone', ...labels, '--volume', `${gone}:/ostler/attempt`)
  start('ended', ...labels)
  docker('kill', `${mark}-ended`)
  rmSync(dirname(gone), {recursive: true})
  const there = () =>
    docker('ps', '--all', '--format', '{{.Names}}', '--filter', `name=${mark}`)
      .split('\n')
      .map((name) => name.slice(mark.length + 1))
      .sort()
  const fates = async (...args: string[]) => {
    const {items} = JSON.parse((await tool('cleanup-containers', ['--json', ...args])).out) as {
      items: {name: string; fate: string}[]
    }
    return Object.fromEntries(
      items
        .filter(({name}) => name.startsWith(mark))
        .map(({name, fate}) => [name.slice(mark.length + 1), fate]),
    )
  }
  t.deepEqual(
    await fates(),
    {held: 'spared', gone: 'spared', ended: 'spared'},
    'they are younger than an hour',
  )
  await new Promise((resolve) => setTimeout(resolve, 4000))
  t.deepEqual(await fates('--older-than', '3s', '--dry-run'), {
    held: 'spared',
    gone: 'would be removed',
    ended: 'would be removed',
  })
  t.is(there().length, 4)
  t.deepEqual(await fates('--older-than', '3s'), {held: 'spared', gone: 'removed', ended: 'removed'})
  t.deepEqual(there(), ['foreign', 'held'])
})

test('a report for others has what helps, and none of the secrets of the place', async (t) => {
  const folder = folderOf(t)
  const put = (file: string, text: string) => {
    mkdirSync(dirname(join(folder, file)), {recursive: true})
    writeFileSync(join(folder, file), text)
  }
  const secrets = [
    's3cr3t-deploy-key',
    'p4ssw0rd-db',
    'ostler_w_abcdef',
    'ostler_u_adminadmin',
    't0k3n-of-env',
    'unnamed-1n-yaml',
    'cr3d-in-store',
  ]
  put('etc/os-release', 'ID=debian\n')
  put('etc/ostler/secrets/deploy', `${secrets[0] ?? ''}\n`)
  put('etc/ostler/worker.token', secrets[2] ?? '')
  put('etc/credstore/ostler.chat', secrets[6] ?? '')
  put(
    'etc/ostler/master.env',
    `OSTLER_DATABASE_URL=postgres://ostler:${secrets[1] ?? ''}@db/ostler\nAPI_TOKEN=${secrets[4] ?? ''}\n`,
  )
  put('var/lib/ostler/master/admin-token', secrets[3] ?? '')
  put(
    'etc/ostler/ostler.yaml',
    `title: Mine\n# ${secrets[0] ?? ''} ${Buffer.from(`x:${secrets[1] ?? ''}`).toString('base64')} ${secrets[6] ?? ''}\nsmtp: {password: ${secrets[5] ?? ''}}\nurl: {secret: chat-url}\n`,
  )
  const target = join(folder, 'report.tar.gz')
  const args = ['--root', folder, '--output', target, '--master', 'http://127.0.0.1:65000']
  const made = await tool('collect-logs', args, '', {MY_SECRET: 'fr0m-environment'})
  t.is(made.code, 0, made.err)
  t.is(statSync(target).mode & 0o777, 0o600)
  t.is((await tool('collect-logs', args)).code, 2, 'it is never written over')
  t.is(spawnSync('tar', ['-C', folder, '-xzf', target]).status, 0)
  const files = readdirSync(join(folder, 'report'), {recursive: true, withFileTypes: true}).filter((each) =>
    each.isFile(),
  )
  const texts = files.map(({parentPath, name}) => readFileSync(join(parentPath, name), 'utf8'))
  const whole = texts.join('\n')
  for (const secret of secrets) {
    t.false(whole.includes(secret), secret)
    t.false(whole.includes(Buffer.from(secret).toString('base64').slice(4, -4)), `${secret} in base64`)
  }
  t.true(whole.includes('title: Mine') && whole.includes('{secret: chat-url}'))
  t.true(
    files.some(({name}) => name === 'files.txt') && whole.includes('worker.token'),
    'that a token is there is told',
  )
  t.regex(readFileSync(join(folder, 'report', 'missing.txt'), 'utf8'), /healthz.*ECONNREFUSED/)
  t.regex((await tool('collect-logs', ['--dry-run'])).out, /^journals\/buildmaster\.txt: journalctl/m)
})
