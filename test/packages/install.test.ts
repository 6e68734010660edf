// The packages on a booted machine, as `apt install ./ostler-*.deb` leaves them.
import {needs} from '../support/needs.ts'
import {Machine} from '../support/machine.ts'

const admin = '--state-dir /var/lib/ostler/master'

needs('machine')('the packages give a running master and worker, and a build goes green', async (t) => {
  const machine = await Machine.boot(t, {packages: true})
  t.is(await machine.must('systemctl is-active buildmaster ostler-worker'), 'active\nactive\n')
  await machine.until(`ostler workers ${admin} --json | grep -q '"state": "connected"'`)
  t.regex(await machine.must(`ostler force hello --wait ${admin}`), /success/)
  t.is(await machine.must('systemctl --failed --no-legend --plain'), '')
})
