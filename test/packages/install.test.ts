// The packages on a booted machine: what `apt install ./ostler-*.deb` gives, and what remove and purge leave.
import {buildGoesGreen, builds, masterState, ostler, statusLine} from '../support/installed.ts'
import {Machine} from '../support/machine.ts'
import {needs} from '../support/needs.ts'
import {ownVersion} from '../support/packages.ts'

needs('machine').serial(
  'the packages give a running master and worker, which are removed and purged as told',
  async (t) => {
    const machine = await Machine.boot(t)
    const {stdout} = await machine.install()
    t.regex(stdout, /the database: embedded/, 'the installation says which database it took')
    t.is(await machine.must('systemctl is-active buildmaster ostler-worker'), 'active\nactive\n')
    await buildGoesGreen(machine)
    t.is(await machine.must('systemctl --failed --no-legend --plain'), '')
    t.regex(await statusLine(machine, 'buildmaster'), /the embedded database/)

    const [worker] = (JSON.parse(await ostler(machine, 'workers --json')) as {items: {version: string}[]})
      .items
    t.is(worker?.version, ownVersion, "the worker tells its package's version")
    t.is((await machine.must('ostler --version')).trim(), ownVersion)
    t.is(await machine.must('systemctl is-enabled buildslave'), 'alias\n')

    // Nobody but who must reads what is secret.
    const modes = await machine.must(`stat -c '%a %U:%G %n' /etc/ostler/* ${masterState}/admin-token`)
    t.is(
      modes,
      [
        '640 root:ostler /etc/ostler/master.env',
        '640 root:ostler /etc/ostler/ostler.yaml',
        '750 root:ostler /etc/ostler/secrets',
        '644 root:root /etc/ostler/worker.env',
        '600 root:root /etc/ostler/worker.token',
        `600 ostler:ostler ${masterState}/admin-token`,
        '',
      ].join('\n'),
    )

    // A configuration in TypeScript is compiled by what the package brings, for any machine.
    await machine.write('/etc/ostler/ostler.ts', typescript)
    t.regex(await machine.must('ostler check-config /etc/ostler/ostler.ts'), /1 builder/)
    await machine.write('/etc/ostler/wrong.ts', typescript.replace("name: 'typed'", "nam: 'typed'"))
    const wrong = await machine.run('ostler check-config /etc/ostler/wrong.ts')
    t.regex(wrong.stdout + wrong.stderr, /wrong\.ts:\d+:\d+: builders\[0\]\.nam/)
    const store = 's3://bucket?endpoint=http://127.0.0.1:1'
    const refused = await machine.run(
      `AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=b timeout 60 ostler master --config /etc/ostler/ostler.yaml --state-dir /tmp/other --listen 127.0.0.1:0 --object-store '${store}'`,
    )
    t.is(refused.code, 1)
    t.regex(refused.stderr, /object store .*127\.0\.0\.1:1/)

    // Installed once more, all is as it was.
    await machine.must('echo "# mine" >>/etc/ostler/ostler.yaml')
    await machine.must('dpkg-reconfigure --frontend=noninteractive ostler-master ostler-worker')
    t.regex(await machine.read('/etc/ostler/ostler.yaml'), /# mine/)
    await buildGoesGreen(machine)

    await machine.must('apt-get remove --yes ostler-master ostler-worker ostler-common', {seconds: 180})
    t.is((await machine.run('pgrep --uid ostler,ostler-worker')).stdout, '', 'nothing runs on')
    await machine.must(
      `test -e ${masterState}/database -a -e /etc/ostler/ostler.yaml -a -e /etc/ostler/worker.token`,
    )
    await machine.install()
    await buildGoesGreen(machine)
    t.is((await builds(machine)).length, 3, 'what was built before is still known')

    await machine.must('apt-get purge --yes ostler-worker')
    await machine.must(
      'test ! -e /var/lib/ostler/worker -a ! -e /etc/ostler/worker.token -a ! -e /etc/ostler/worker.env',
    )
    t.is((await builds(machine)).length, 3, "the worker's purge leaves the master alone")
    await machine.must('apt-get purge --yes ostler-master ostler-common')
    t.is((await machine.run('ls -d /etc/ostler /var/lib/ostler /usr/lib/ostler')).stdout, '/etc/ostler\n')
    t.is(await machine.must('ls /etc/ostler'), 'ostler.ts\nwrong.ts\n', 'but what is not ours stays')
  },
)

const typescript = `import {defineConfig, shell} from 'ostler/config'
export default defineConfig({
  title: 'Typed',
  workers: [{name: 'local'}],
  builders: [{name: 'typed', steps: [shell({name: 'one', command: 'true'})]}],
  schedulers: [{name: 'force', kind: 'force', builders: ['typed']}],
})
`
