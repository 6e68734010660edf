// From one version to the next while builds run, and never back.
import {setTimeout as sleep} from 'node:timers/promises'
import {
  addSlowBuilder,
  buildGoesGreen,
  builds,
  masterState,
  ostler,
  statusLineLike,
} from '../support/installed.ts'
import {Machine} from '../support/machine.ts'
import {needs} from '../support/needs.ts'
import {debianPackages, ownVersion} from '../support/packages.ts'

needs('machine')(
  'an upgrade with builds running loses none and repeats none, and there is no way back',
  async (t) => {
    const machine = await Machine.boot(t)
    await machine.install(undefined, await debianPackages('0.0.9'))
    await buildGoesGreen(machine)
    await addSlowBuilder(machine, 20)
    await machine.must('systemctl reload buildmaster')
    // Two to choose from, one at a time on this worker: one runs through the upgrade, and the others wait through it.
    for (const builder of ['slow', 'hello', 'slow']) await ostler(machine, `force hello --builder ${builder}`)
    await machine.until(`ostler log 2 --state-dir ${masterState} | grep -q 'line 3'`)
    const before = await machine.must('pgrep --full --uid ostler-worker "seq 20"')
    const pids = await machine.must('systemctl show --property=MainPID --value buildmaster ostler-worker')

    await machine.install()
    t.is((await machine.must('ostler --version')).trim(), ownVersion)
    t.not(await machine.must('systemctl show --property=MainPID --value buildmaster ostler-worker'), pids)
    t.is(
      await machine.must('pgrep --full --uid ostler-worker "seq 20"'),
      before,
      'the same processes build on',
    )
    const [worker] = (JSON.parse(await ostler(machine, 'workers --json')) as {items: {version: string}[]})
      .items
    t.is(worker?.version, ownVersion)

    const done = async () => (await builds(machine)).filter(({result}) => result === 'success').length
    for (let tries = 0; (await done()) < 4 && tries < 200; tries++) await sleep(500)
    const found = await builds(machine)
    t.deepEqual(found.map(({builder, result}) => `${builder} ${String(result)}`).sort(), [
      'hello success',
      'hello success',
      'slow success',
      'slow success',
    ])
    const lines = (await ostler(machine, 'log 2')).split('\n').filter((line) => line.startsWith('line '))
    t.deepEqual(
      lines,
      Array.from({length: 20}, (_, at) => `line ${at + 1}`),
      'its log is whole',
    )
    const attempts = await machine.must(
      `ostler rest GET /attempts?limit=100 --state-dir ${masterState} || true`,
    )
    t.notRegex(attempts, /retry/)

    // A configuration that was half written when the next version came: the master goes on with the last good one.
    const good = await machine.read('/etc/ostler/ostler.yaml')
    await machine.write('/etc/ostler/ostler.yaml', `${good.slice(0, good.indexOf('schedulers:') + 18)}\n`)
    await machine.install(undefined, await debianPackages('0.9.0'))
    t.is(await machine.must('systemctl is-active buildmaster'), 'active\n')
    const line = await statusLineLike(
      machine,
      'buildmaster',
      /the file is refused and the last good one is in force/,
    )
    t.log(line)
    t.regex(await machine.journal('buildmaster'), /ostler\.yaml:\d+:\d+: /)
    await buildGoesGreen(machine)
    await machine.write('/etc/ostler/ostler.yaml', good)
    await machine.must('systemctl reload buildmaster')
    await statusLineLike(machine, 'buildmaster', /^(?!.*refused)/)

    // Back is refused before anything is changed.
    const back = await machine.run(
      `DEBIAN_FRONTEND=noninteractive apt-get install --yes --allow-downgrades /root/packages-*/ostler-*_${ownVersion}_all.deb`,
    )
    t.not(back.code, 0)
    t.regex(back.stdout, new RegExp(`${ownVersion} is older than 0\\.9\\.0, which is installed`))
    t.is((await machine.must('ostler --version')).trim(), '0.9.0')
    t.is(await machine.must('dpkg --audit'), '')
    await buildGoesGreen(machine)
  },
)
