// What can be wrong on the machine: the service says it in one line of `systemctl status`, and nothing that it had is lost.
import {buildGoesGreen, builds, masterState, statusLineLike} from '../support/installed.ts'
import {Machine} from '../support/machine.ts'
import {needs} from '../support/needs.ts'

needs('machine')('each trouble of the machine is told in one line, and passes with it', async (t) => {
  const machine = await Machine.boot(t, {packages: true})
  await buildGoesGreen(machine)
  const told = async (like: RegExp) => {
    t.log(await statusLineLike(machine, 'buildmaster', like))
  }
  const well = async () => {
    await machine.until('systemctl is-active buildmaster')
    await buildGoesGreen(machine)
  }

  // Another program has the port: it may be a second installation, a clone's master.
  await machine.must('systemctl stop buildmaster')
  await machine.must(
    'systemd-run --unit=other ostler master --config /usr/share/ostler/installed.yaml --state-dir /tmp/other',
  )
  await machine.until('curl --silent --fail http://127.0.0.1:8010/healthz')
  await machine.must('systemctl start --no-block buildmaster')
  await told(/another program listens at 127\.0\.0\.1:8010/)
  await machine.must('systemctl stop other')
  await well()

  // Another master has the state directory.
  await machine.must('systemctl stop buildmaster')
  await machine.must(
    `systemd-run --unit=other --uid=ostler ostler master --config /usr/share/ostler/installed.yaml --state-dir ${masterState} --listen 127.0.0.1:8011`,
  )
  await machine.until('curl --silent --fail http://127.0.0.1:8011/healthz')
  await machine.must('systemctl start --no-block buildmaster')
  await told(/database.* (is|in) use|another (process|master|program)/)
  await machine.must('systemctl stop other')
  await well()

  // What lies in the state directory is another's. (Were the directory itself, systemd would give all of it back.)
  await machine.must(`systemctl stop buildmaster && chown -R root:root ${masterState}/database`)
  await machine.must('systemctl start --no-block buildmaster')
  await told(/master\/database may not be read and written by ostler/)
  await machine.must(`chown -R ostler:ostler ${masterState}/database`)
  await well()
  await machine.must(`systemctl stop buildmaster && chown -R root:root ${masterState}`)
  await machine.must('systemctl start buildmaster')
  await well()

  // The database does not answer.
  await machine.must(
    'echo OSTLER_DATABASE_URL=postgresql://ostler@127.0.0.1:5432/ostler >>/etc/ostler/master.env',
  )
  await machine.must('systemctl restart --no-block buildmaster')
  await told(/PostgreSQL at .*127\.0\.0\.1:5432.*ECONNREFUSED/)
  await machine.must("sed -i '$d' /etc/ostler/master.env && systemctl restart buildmaster")
  await well()
  t.is((await builds(machine)).length, 6)
})

needs('machine')('a full /var stops nothing for good', async (t) => {
  const machine = await Machine.boot(t)
  await machine.must('mkdir /var/lib/ostler && mount -t tmpfs -o size=500M tmpfs /var/lib/ostler')
  await machine.install()
  await buildGoesGreen(machine)
  await machine.run('dd if=/dev/zero of=/var/lib/ostler/ballast bs=64k 2>/dev/null')
  await machine.run('ostler force hello --state-dir /var/lib/ostler/master', {seconds: 20})
  await machine.must('systemctl restart --no-block buildmaster ostler-worker')
  t.log(await statusLineLike(machine, 'buildmaster', /full|space|ENOSPC/i))
  t.log(await statusLineLike(machine, 'ostler-worker', /full|space|ENOSPC/i))
  await machine.must('rm /var/lib/ostler/ballast')
  await machine.until('systemctl is-active buildmaster ostler-worker')
  await buildGoesGreen(machine)
})
