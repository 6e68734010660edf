// A master that speaks TLS itself, with real certificates: the command line, workers that must show theirs, and renewal.
import {copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {request} from 'node:https'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {connect} from 'node:tls'
import type {ExecutionContext} from 'ava'
import {freePort, Process, runOstler, startWorker, until} from '../../scripts/processes.ts'
import {type Certified, Issuer} from '../support/issuer.ts'
import {needs} from '../support/needs.ts'

const test = needs('openssl')

const config = JSON.stringify({
  workers: [{name: 'w1'}],
  builders: [
    {
      name: 'b',
      steps: [
        {kind: 'shell', name: 'make', command: 'echo made >it'},
        {kind: 'upload', name: 'keep', files: 'it', artifact: 'it'},
      ],
    },
  ],
  schedulers: [{name: 'now', kind: 'force', builders: ['b']}],
})

/** A master over TLS, with what is asked of it as its administrator. */
class Secure {
  readonly folder: string
  readonly url: string
  readonly ca: string
  readonly process: Process

  private constructor(folder: string, url: string, ca: string, process: Process) {
    this.folder = folder
    this.url = url
    this.ca = ca
    this.process = process
  }

  static async start(
    t: ExecutionContext,
    issuer: Issuer,
    {cert, key}: Certified,
    more: readonly string[] = [],
  ) {
    const folder = mkdtempSync(join(tmpdir(), 'ostler-tls-'))
    writeFileSync(join(folder, 'ostler.yaml'), config)
    copyFileSync(cert, join(folder, 'cert.pem'))
    copyFileSync(key, join(folder, 'key.pem'))
    const listen = `127.0.0.1:${String(await freePort())}`
    const process = new Process('master', [
      ...[
        'master',
        '--config',
        join(folder, 'ostler.yaml'),
        '--state-dir',
        join(folder, 'state'),
        '--listen',
        listen,
      ],
      ...['--tls-cert', join(folder, 'cert.pem'), '--tls-key', join(folder, 'key.pem'), ...more],
    ])
    t.teardown(async () => {
      await process.stop()
      if (!t.passed) t.log(process.lines.slice(-30).join('\n'))
      rmSync(folder, {recursive: true})
    })
    const master = new Secure(folder, `https://${listen}`, issuer.cert, process)
    await master.until(async () =>
      process.lines.some((line) => line.includes('listening at')) ? true : null,
    )
    return master
  }

  until<T>(look: () => Promise<T | null>): Promise<T> {
    return until('what is awaited comes', look, {withinMs: 40_000, alive: [this.process]})
  }

  ostler(...args: readonly string[]) {
    return runOstler(args, {
      OSTLER_MASTER: this.url,
      OSTLER_CA: this.ca,
      OSTLER_TOKEN: readFileSync(join(this.folder, 'state', 'admin-token'), 'utf8').trim(),
    })
  }

  async worker(t: ExecutionContext, name: string, more: readonly string[]): Promise<Process> {
    const {stdout} = await this.ostler('token', 'worker', name)
    const worker = startWorker({
      master: this.url,
      name,
      token: stdout.trim().split(/\s+/).at(-1) ?? '',
      stateDir: join(this.folder, `${name}-${String(Math.random())}`),
      more: ['--engine-socket', 'none', ...more],
    })
    t.teardown(() => worker.stop())
    return worker
  }

  /** The health, whatever the certificate is worth. */
  health(): Promise<{readonly reasons: readonly string[]}> {
    return new Promise((resolve, reject) => {
      request(`${this.url}/healthz`, {rejectUnauthorized: false, agent: false}, (answer) => {
        let text = ''
        answer.on('data', (piece: Buffer) => (text += piece.toString()))
        answer.on('end', () => resolve(JSON.parse(text) as {reasons: string[]}))
      })
        .on('error', reject)
        .end()
    })
  }

  /** The name in the certificate that it shows, spoken to with this version of TLS at most. */
  shown(maxVersion: 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3' = 'TLSv1.3'): Promise<string> {
    const {hostname, port} = new URL(this.url)
    return new Promise((resolve, reject) => {
      const socket = connect(
        {
          host: hostname,
          port: Number(port),
          rejectUnauthorized: false,
          maxVersion,
          minVersion: 'TLSv1',
          ciphers: 'DEFAULT@SECLEVEL=0',
        },
        () => {
          resolve(String(socket.getPeerCertificate().subject.CN))
          socket.destroy()
        },
      )
      socket.on('error', reject)
    })
  }
}

test('command line, worker and artifacts speak TLS with a master whose issuer they were told of', async (t) => {
  const issuer = Issuer.make(t)
  const master = await Secure.start(t, issuer, issuer.certify('localhost'))
  await master.worker(t, 'w1', ['--ca', issuer.cert])
  const forced = await master.ostler('force', 'now', '--wait')
  t.is(forced.code, 0, forced.stdout + forced.stderr)
  t.is(await master.shown('TLSv1.2'), 'localhost')
  await t.throwsAsync(master.shown('TLSv1.1'))
  t.deepEqual((await master.health()).reasons, [])

  const stranger = await runOstler(['builds', '--master', master.url])
  t.is(stranger.code, 3)
  t.regex(stranger.stderr, /UNABLE_TO_VERIFY_LEAF_SIGNATURE \(give the issuer of its certificate with --ca/)
  const lost = await master.worker(t, 'w1', [])
  await master.until(async () => lost.lines.find((line) => /link\.lost.*unable to verify/.test(line)) ?? null)
})

test('a worker must show a certificate in its name, where the master wants one', async (t) => {
  const [issuer, other] = [Issuer.make(t), Issuer.make(t, 'Another CA')]
  const master = await Secure.start(t, issuer, issuer.certify('localhost'), ['--tls-client-ca', issuer.cert])
  const showing = ({cert, key}: Certified) => ['--ca', issuer.cert, '--tls-cert', cert, '--tls-key', key]
  const refused: readonly (readonly [readonly string[], RegExp])[] = [
    [['--ca', issuer.cert], /workers show a certificate here: give yours --tls-cert and --tls-key/],
    [showing(issuer.certify('w2')), /the certificate is for w2, the token for the worker w1/],
    [showing(other.certify('w1')), /the worker's certificate is refused: unable to verify/],
    [
      showing(issuer.certify('w1', {fromDays: -9, toDays: -1})),
      /the worker's certificate is refused: cert has expired/,
    ],
  ]
  for (const [more, says] of refused) {
    const worker = await master.worker(t, 'w1', more)
    await master.until(async () => (worker.lines.some((line) => says.test(line)) ? true : null))
    t.is(await worker.stop(), 'exit 0', 'it goes on trying: a certificate may be renewed')
  }
  // People need none.
  t.is((await master.ostler('workers')).code, 0)
  await master.worker(t, 'w1', showing(issuer.certify('w1')))
  const forced = await master.ostler('force', 'now', '--wait')
  t.is(forced.code, 0, forced.stdout + forced.stderr)
})

test('a renewed certificate is in force at once after a reload, and a bad one changes nothing', async (t) => {
  const issuer = Issuer.make(t)
  const master = await Secure.start(t, issuer, issuer.certify('old', {toDays: 5}))
  t.regex(
    (await master.health()).reasons.join(),
    /^certificate: it expires in [45] days? \(\d{4}-\d\d-\d\d\): renew it$/,
  )
  const worker = await master.worker(t, 'w1', ['--ca', issuer.cert])
  await master.until(async () => (worker.lines.some((line) => line.includes('link.welcome')) ? true : null))

  const renewed = issuer.certify('new')
  copyFileSync(renewed.cert, join(master.folder, 'cert.pem'))
  master.process.child.kill('SIGHUP')
  await master.until(async () =>
    (await master.health()).reasons.some((one) => one.includes('the old one stays')) ? true : null,
  )
  t.is(await master.shown(), 'old')
  t.regex(master.process.lines.join('\n'), /--tls-key: the key in .* is not that of the certificate in/)

  copyFileSync(renewed.key, join(master.folder, 'key.pem'))
  // Nobody said so: it looks by itself.
  await master.until(async () => ((await master.shown()) === 'new' ? true : null))
  t.deepEqual((await master.health()).reasons, [])
  t.false(worker.lines.some((line) => line.includes('link.lost')))
})

test('a certificate that has expired is used and complained of; one that cannot be used says why', async (t) => {
  const issuer = Issuer.make(t)
  const expired = issuer.certify('localhost', {fromDays: -9, toDays: -2})
  const master = await Secure.start(t, issuer, expired)
  t.regex((await master.health()).reasons.join(), /^certificate: it expired on \d{4}-\d\d-\d\d: renew it$/)
  await master.process.stop()
  const other = issuer.certify('other')
  const wrong: readonly (readonly [readonly string[], RegExp])[] = [
    [
      ['--tls-cert', expired.cert, '--tls-key', other.key],
      /--tls-key: the key in .* is not that of the certificate in/,
    ],
    [['--tls-cert', expired.key, '--tls-key', expired.key], /--tls-cert: .* holds no certificate/],
    [
      ['--tls-cert', expired.cert, '--tls-key', '/nowhere.key'],
      /--tls-key: \/nowhere\.key: there is no such file/,
    ],
    [['--tls-cert', expired.cert], /--tls-cert and --tls-key belong together/],
  ]
  for (const [more, says] of wrong) {
    const {code, stderr} = await runOstler([
      ...[
        'master',
        '--config',
        join(master.folder, 'ostler.yaml'),
        '--state-dir',
        join(master.folder, 'state'),
        ...more,
      ],
    ])
    t.true(code === 1 || code === 2)
    t.regex(stderr, says)
    t.notRegex(stderr, /^\s+at /m)
  }
})
