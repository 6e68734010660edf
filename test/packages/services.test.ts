// Master and worker as services of a booted Debian: killed, wedged, starved, restarted and rebooted while builds run. Nothing
// is lost, nothing is built twice but for a reboot, and `systemctl status` says in one line what is wrong.
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import test from 'ava'
import {Machine} from '../support/machine.ts'
import {needs} from '../support/needs.ts'
import {engineSocket} from '../support/parts.ts'

const admin = '--state-dir /var/lib/ostler/master'

/** Counts to `n`, a line each fifth of a second, so that a line that is lost or doubled shows. */
const counting = (name: string, n: number) => ({
  name,
  steps: [
    {
      kind: 'shell',
      name: 'count',
      command: `for i in $(seq ${String(n)}); do echo "line $i"; sleep 0.2; done`,
    },
  ],
})

const config = {
  workers: [{name: 'local'}],
  builders: [
    counting('short', 3),
    counting('long', 60),
    {...counting('boxed', 40), container: {image: 'ostler-test/busybox', network: 'none'}},
    {
      name: 'greedy',
      steps: [
        {
          kind: 'shell',
          name: 'eat',
          command: `perl -e 'my @all; push @all, "x" x 8_000_000 while 1'`,
        },
      ],
    },
  ],
  schedulers: ['short', 'long', 'boxed', 'greedy'].map((name) => ({name, kind: 'force', builders: [name]})),
}

const ends: (() => unknown)[] = []
let machine: Machine
const engine = '/srv/engine.sock'
/** Where the worker of the machine keeps what it has, for its shell. */
const workerState = `$(sed -n 's/^OSTLER_WORKER_OPTIONS=--state-dir \\([^ ]*\\).*/\\1/p' /etc/ostler/worker.env)`

test.after.always(async () => {
  for (const end of ends.reverse()) await end()
})

const services = needs('machine', 'images').serial

services('the packages’ services are as hardened as they say', async (t) => {
  t.timeout(600_000)
  // The engine is the one of the tests, so builds in containers need a directory that both see at one place.
  const shared = mkdtempSync(join(tmpdir(), 'ostler-services-'))
  ends.push(() => {
    rmSync(shared, {recursive: true, force: true})
  })
  machine = await Machine.boot(
    {teardown: (end) => ends.push(end)},
    {
      packages: true,
      run: ['--volume', `${shared}:${shared}`, '--volume', `${engineSocket() ?? ''}:${engine}`],
    },
  )
  await machine.must(`chown ostler-worker: ${shared} && chmod 711 ${shared}`)
  await machine.must(
    `group=$(stat --format=%g ${engine}); getent group "$group" || groupadd --gid "$group" engine; usermod --append --groups "$group" ostler-worker`,
  )
  await machine.must(
    `echo 'OSTLER_WORKER_OPTIONS=--state-dir ${shared} --engine-socket ${engine}' >>/etc/ostler/worker.env && systemctl restart ostler-worker`,
  )
  await machine.write('/etc/ostler/ostler.yaml', JSON.stringify(config))
  await machine.must('systemctl reload buildmaster')
  await status('buildmaster', '^1 worker, 0 building, 0 waiting; the embedded database$')
  await status('ostler-worker', '^connected to http://127.0.0.1:8010, 0 of 1 builds$')
  t.true((await exposure('buildmaster')) <= 1.5)
  t.true((await exposure('ostler-worker')) <= 4)
  t.is(await machine.must('systemctl is-active buildslave'), 'active\n')
})

services(
  'what master and worker log of a build is found by its number, its step and its worker',
  async (t) => {
    const build = (await force('short')).id
    await ended(build)
    const said = async (match: string) =>
      (await machine.must(`journalctl --output=cat ${match}`)).trim().split('\n').sort()
    const ofBuild = await said(`OSTLER_BUILD=${build}`)
    t.true(
      ofBuild.some((line) => line.startsWith('build offered')),
      ofBuild.join('\n'),
    )
    t.true(ofBuild.some((line) => line.startsWith('build ended: done')))
    t.true(ofBuild.some((line) => line.startsWith('attempt.accepted')))
    t.true(ofBuild.some((line) => line.startsWith('step.over')))
    t.deepEqual(
      (await said(`OSTLER_STEP=count OSTLER_BUILD=${build}`)).map((line) => line.split(' ')[0]),
      ['step.over'],
    )
    t.true((await said('OSTLER_WORKER=local')).length > 1)
    const units = await machine.must(
      `journalctl --output=json OSTLER_BUILD=${build} | grep -o '"_SYSTEMD_UNIT":"[^"]*"' | sort -u`,
    )
    t.is(units, '"_SYSTEMD_UNIT":"buildmaster.service"\n"_SYSTEMD_UNIT":"ostler-worker.service"\n')
  },
)

services('a reload that is refused fails, says why, and the master goes on; a restart too', async (t) => {
  await machine.write('/etc/ostler/ostler.yaml', 'builders: 7')
  t.not((await machine.run('systemctl reload buildmaster')).code, 0)
  const why =
    'unwell: the configuration is refused and the last good one is in force: /etc/ostler/ostler.yaml:1:11: builders: expected'
  await status('buildmaster', why)
  await machine.must('systemctl restart buildmaster')
  await status('buildmaster', why)
  await ended((await force('short')).id)
  await machine.write('/etc/ostler/ostler.yaml', JSON.stringify(config))
  await machine.must('systemctl reload buildmaster')
  await status('buildmaster', '^1 worker')
  t.pass()
})

services(
  'a build goes on while both services are killed, stopped and restarted, and loses no line',
  async (t) => {
    const {id: build, attempt} = await force('long')
    await machine.must('systemctl kill --kill-whom=main --signal=KILL buildmaster ostler-worker')
    await status('buildmaster', '^1 worker')
    await machine.must('systemctl restart ostler-worker buildmaster')
    await machine.must('systemctl stop ostler-worker')
    await machine.must('pgrep --full supervisors')
    await machine.must('systemctl start ostler-worker')
    t.like(await ended(build), {result: 'success', attempt})
    t.is(await log(build), lines(60))
  },
)

services('a build in a container goes on while the hardened worker is killed and restarted', async (t) => {
  const {id: build, attempt} = await force('boxed')
  await machine.must('systemctl kill --kill-whom=main --signal=KILL ostler-worker')
  await status('buildmaster', '^1 worker')
  await machine.must('systemctl restart ostler-worker')
  t.like(await ended(build), {result: 'success', attempt})
  t.is(await log(build), lines(40))
})

services('who stands still is ended by the watchdog, and the build goes on', async (t) => {
  const {id: build, attempt} = await force('long')
  for (const unit of ['buildmaster', 'ostler-worker']) {
    await machine.must(
      `mkdir -p /run/systemd/system/${unit}.service.d && printf '[Service]\\nWatchdogSec=4\\n' >/run/systemd/system/${unit}.service.d/w.conf`,
    )
  }
  await machine.must('systemctl daemon-reload && systemctl restart buildmaster ostler-worker')
  await status('buildmaster', '^1 worker')
  for (const unit of ['buildmaster', 'ostler-worker'])
    await machine.must(`systemctl kill --kill-whom=main --signal=STOP ${unit}`)
  for (const unit of ['buildmaster', 'ostler-worker'])
    await machine.until(`journalctl --output=cat --unit=${unit} | grep -q "Failed with result 'watchdog'"`)
  t.like(await ended(build), {result: 'success', attempt})
  t.is(await log(build), lines(60))
  await machine.must(
    'rm -r /run/systemd/system/*.service.d && systemctl daemon-reload && systemctl restart buildmaster ostler-worker',
  )
})

services(
  'a master out of memory comes back when it has some, and the build knows nothing of it',
  async (t) => {
    const {id: build, attempt} = await force('long')
    await machine.must('systemctl set-property --runtime buildmaster MemoryMax=60M')
    await machine.until(
      `journalctl --output=cat --unit=buildmaster | grep -q "Failed with result 'oom-kill'\\|code=killed, status=9/KILL\\|A process of this unit has been killed by the OOM killer"`,
    )
    await machine.must('systemctl set-property --runtime buildmaster MemoryMax=infinity')
    t.like(await ended(build), {result: 'success', attempt})
    t.is(await log(build), lines(60))
  },
)

services('a build that eats the worker’s memory fails, and the worker works on', async (t) => {
  await status('ostler-worker', '^connected')
  const before = await machine.must('systemctl show --property=MainPID --value ostler-worker')
  await machine.must('systemctl set-property --runtime ostler-worker MemoryMax=300M')
  t.is((await ended((await force('greedy')).id)).result, 'failure')
  await machine.must('systemctl set-property --runtime ostler-worker MemoryMax=infinity')
  t.is(await machine.must('systemctl show --property=MainPID --value ostler-worker'), before)
  await ended((await force('short')).id)
})

services('a machine that is rebooted builds again what was running, and all is there', async (t) => {
  const {id: done} = await force('short')
  await ended(done)
  const {id: running, attempt} = await force('long')
  await machine.until(`ostler log ${running} count ${admin} 2>/dev/null | grep -q 'line 3'`)
  await machine.reboot()
  await status('buildmaster', '^1 worker')
  const after = await ended(running, 180)
  t.is(after.result, 'success')
  t.not(after.attempt, attempt)
  t.is(await log(running), lines(60))
  t.is(await log(done), lines(3))
})

interface Wrong {
  readonly truth: string
  readonly spoil: string
  readonly unit: 'buildmaster' | 'ostler-worker'
  readonly says: string
  readonly mend: string
}

const wrongs: readonly Wrong[] = [
  {
    truth: 'a port in use',
    spoil: `perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1:8010", Listen => 1, ReuseAddr => 1) or die; sleep 300' >/dev/null 2>&1 & echo $! >/run/other.pid; sleep 1`,
    unit: 'buildmaster',
    says: 'another program listens at 127.0.0.1:8010',
    mend: 'kill $(cat /run/other.pid)',
  },
  {
    truth: 'no database',
    spoil: `printf 'OSTLER_DATABASE_URL=postgresql:///ostler?host=/run/postgresql\\n' >>/etc/ostler/master.env`,
    unit: 'buildmaster',
    says: 'waiting for PostgreSQL at postgresql:///ostler',
    mend: `sed -i /DATABASE_URL=postgresql:...ostler/d /etc/ostler/master.env`,
  },
  {
    truth: 'another owner of what the state directory holds',
    spoil: 'chown -R root: /var/lib/ostler/master/database; chmod 700 /var/lib/ostler/master/database',
    unit: 'buildmaster',
    says: 'chown -R [0-9]*:[0-9]* /var/lib/ostler/master',
    mend: 'chown -R ostler: /var/lib/ostler/master',
  },
  {
    truth: 'another owner of what the worker’s state directory holds',
    spoil: `chown root: ${workerState}/id`,
    unit: 'ostler-worker',
    says: 'chown -R [0-9]*:[0-9]* /',
    mend: `chown ostler-worker: ${workerState}/id`,
  },
  {
    truth: 'no token',
    spoil: 'mv /etc/ostler/worker.token /root/worker.token',
    unit: 'ostler-worker',
    says: 'ostler token worker NAME',
    mend: 'mv /root/worker.token /etc/ostler/worker.token',
  },
  {
    truth: 'a token that is none',
    spoil: 'cp /etc/ostler/worker.token /root/worker.token; echo nonsense >/etc/ostler/worker.token',
    unit: 'ostler-worker',
    says: `the master does not accept this worker's token`,
    mend: 'mv /root/worker.token /etc/ostler/worker.token',
  },
  {
    truth: 'a master’s address that is none',
    spoil: `sed -i 's,^OSTLER_MASTER=.*,OSTLER_MASTER=ci.example.org,' /etc/ostler/worker.env`,
    unit: 'ostler-worker',
    says: '"ci.example.org" is no http or https address',
    mend: `sed -i 's,^OSTLER_MASTER=.*,OSTLER_MASTER=http://127.0.0.1:8010,' /etc/ostler/worker.env`,
  },
  {
    truth: 'a clock that is far off',
    spoil: `printf 'const {now} = Date; Date.now = () => now() + 7200000\\n' >/srv/ahead.mjs; printf 'NODE_OPTIONS=--import=/srv/ahead.mjs\\n' >>/etc/ostler/worker.env`,
    unit: 'ostler-worker',
    says: "its clock is 2 hours ahead of the master's: set it right",
    mend: 'sed -i /NODE_OPTIONS/d /etc/ostler/worker.env',
  },
  {
    truth: 'a certificate that has expired',
    spoil: `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=machine -not_before 20200101000000Z -not_after 20200201000000Z -keyout /srv/key.pem -out /srv/cert.pem 2>/dev/null && chown ostler /srv/key.pem && printf 'OSTLER_TLS_CERT=/srv/cert.pem\\nOSTLER_TLS_KEY=/srv/key.pem\\n' >>/etc/ostler/master.env`,
    unit: 'buildmaster',
    says: 'unwell: certificate: it expired on 2020-02-01: renew it',
    mend: 'sed -i /OSTLER_TLS/d /etc/ostler/master.env',
  },
  {
    truth: 'a full disk',
    spoil: `mkdir -p /srv/small && mount -t tmpfs -o size=2m,mode=777 none /srv/small && head -c 3000000 /dev/zero >/srv/small/full; printf 'OSTLER_MASTER_OPTIONS=--state-dir /srv/small/master\\n' >>/etc/ostler/master.env; mkdir -p /run/systemd/system/buildmaster.service.d; printf '[Service]\\nReadWritePaths=/srv/small\\n' >/run/systemd/system/buildmaster.service.d/s.conf; systemctl daemon-reload`,
    unit: 'buildmaster',
    says: 'no room is left on the disk',
    mend: 'sed -i /small/d /etc/ostler/master.env; rm -r /run/systemd/system/buildmaster.service.d; systemctl daemon-reload; umount -l /srv/small',
  },
]

for (const {truth, spoil, unit, says, mend} of wrongs)
  services(`systemctl status says in one line what is wrong, and how it is mended: ${truth}`, async (t) => {
    await machine.must(`systemctl stop ${unit}`)
    await machine.must(spoil)
    await machine.run(`systemctl start --no-block ${unit}`)
    await status(unit, says)
    await machine.must(mend)
    await machine.run(`systemctl restart ${unit}`)
    await status(unit, unit === 'buildmaster' ? '^1 worker' : '^connected to [^;]*$')
    t.pass()
  })

services('a second installation on the host leaves the first alone, and says who is there', async (t) => {
  const second = await machine.run(
    'setpriv --reuid=ostler --regid=ostler --clear-groups ostler master --config /etc/ostler/ostler.yaml --state-dir /var/lib/ostler/master --listen 127.0.0.1:8011',
  )
  t.is(second.code, 1)
  t.regex(second.stderr, /is in use by process \d+ \(.*ostler master/)
  await ended((await force('short')).id)
})

async function status(unit: string, pattern: string): Promise<void> {
  const line = `systemctl show --property=StatusText --value ${unit}`
  await machine.until(
    `${line} | grep -e ${quoted(pattern)} || { ${line}; journalctl --output=cat --lines=5 --unit=${unit}; exit 1; }`,
    {
      seconds: 90,
    },
  )
}

async function exposure(unit: string): Promise<number> {
  const text = await machine.must(`systemd-analyze security --no-pager ${unit} | tail -n 1`)
  return Number(/: ([\d.]+)/.exec(text)?.[1])
}

/** Forces a build and waits until it runs, or is over. */
async function force(scheduler: string): Promise<Build> {
  const before = await builds()
  await machine.until(`ostler force ${scheduler} ${admin}`)
  for (;;) {
    const fresh = (await builds()).find(({id}) => !before.some((one) => one.id === id))
    if (fresh && fresh.state !== 'pending') return fresh
  }
}

interface Build {
  readonly id: string
  readonly state: string
  readonly result: string | null
  readonly attempt: string | null
}

/** The newest builds; while the master is away this waits for it. */
async function builds(): Promise<readonly Build[]> {
  return (JSON.parse(await machine.until(`ostler builds --json ${admin}`)) as {items: Build[]}).items
}

async function ended(build: string, seconds = 90): Promise<Build> {
  for (const end = Date.now() + seconds * 1000; ; await sleep(500)) {
    const found = (await builds()).find(({id}) => id === build)
    if (found?.state === 'finished') return found
    if (Date.now() > end) throw new Error(`build ${build} is not over: ${JSON.stringify(found)}`)
  }
}

const log = (build: string) => machine.must(`ostler log ${build} count ${admin}`)

const lines = (n: number) => Array.from({length: n}, (_, i) => `line ${String(i + 1)}\n`).join('')

const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`
