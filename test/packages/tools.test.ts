// What the packages bring beside the services, on a booted machine: the tools with their pages and completion, the nightly backup,
// the promotion timer and the janitor.
import {Machine} from '../support/machine.ts'
import {needs} from '../support/needs.ts'

const state = '/var/lib/ostler/master'
const admin = `--state-dir ${state}`

needs('machine')('tools, backup, promotion and janitor work as they are installed', async (t) => {
  const machine = await Machine.boot(t, {packages: true})
  await machine.until(`ostler workers ${admin} --json | grep -q '"state": "connected"'`)
  const says = async (command: string) => (await machine.must(command)).trim()

  // Beside every command: its help, its page and its completion.
  for (const name of [
    'create-image',
    'list-images',
    'run-in-container',
    'cleanup-containers',
    'collect-logs',
  ]) {
    t.regex(await says(`ostler-${name} --help`), new RegExp(`^Usage: ostler-${name} `))
    t.is(await says(`test -s /usr/share/man/man1/ostler-${name}.1.gz && echo page`), 'page')
    t.is(await says(`test -s /usr/share/bash-completion/completions/ostler-${name} && echo words`), 'words')
  }
  t.is(
    await says(
      `bash -c '. /usr/share/bash-completion/completions/ostler; COMP_WORDS=(ostler tok); COMP_CWORD=1; _ostler; echo "\${COMPREPLY[@]}"'`,
    ),
    'token',
  )
  t.is(await says('test -s /usr/share/zsh/vendor-completions/_ostler && echo words'), 'words')
  t.regex(await says('ostler-create-image'), /^trixie: /m)

  // The timers: the backup's and the janitor's wait, the promotion's is off until somebody wants it.
  const timers = 'ostler-backup.timer ostler-janitor.timer ostler-promote.timer'
  t.is((await machine.run(`systemctl is-enabled ${timers}`)).stdout, 'enabled\nenabled\ndisabled\n')
  t.is((await machine.run(`systemctl is-active ${timers}`)).stdout, 'active\nactive\ninactive\n')
  for (const unit of ['ostler-backup', 'ostler-promote', 'ostler-janitor'])
    t.is(await says(`systemd-analyze verify --man=no ${unit}.service 2>&1 | grep ${unit} || true`), '', unit)

  // A build, a backup of it, and its restore.
  await machine.must(`ostler force hello --wait ${admin}`)
  await machine.must('systemctl start ostler-backup')
  t.regex(
    await machine.journal('ostler-backup'),
    /^\/var\/backups\/ostler\/ostler-\d{8}T\d{6}Z\.tar: \d+ rows, \d+ log/m,
  )
  t.is(await says('stat -c %a:%U /var/backups/ostler /var/backups/ostler/*.tar'), '700:ostler\n600:ostler')
  await machine.must('echo OSTLER_BACKUP_KEEP=2 >>/etc/ostler/master.env')
  for (const _round of [1, 2]) await machine.must('sleep 1; systemctl start ostler-backup')
  t.is(await says('ls /var/backups/ostler/*.tar | wc -l'), '2')
  const restored = await says(
    `ostler restore "$(ls /var/backups/ostler/*.tar | tail -1)" --state-dir /root/restored`,
  )
  t.regex(restored, /1 build, /)
  t.is(await says('systemctl --failed --no-legend --plain'), '')

  // One that cannot be made is seen, and costs no other.
  await machine.must('mount -t tmpfs -o size=8k none /var/backups/ostler && chown ostler /var/backups/ostler')
  t.not((await machine.run('systemctl start ostler-backup')).code, 0)
  t.regex(await says('systemctl --failed --no-legend --plain'), /ostler-backup\.service/)
  t.regex(await machine.journal('ostler-backup'), /no backup was made/)
  await machine.must('umount /var/backups/ostler && systemctl reset-failed')
  t.is(await says('ls /var/backups/ostler/*.tar | wc -l'), '2')

  // The promotion asks the master, as the administrator or with a credential of its own; the janitor finds no engine, which is well.
  await machine.must('systemctl start ostler-promote')
  t.regex(await machine.journal('ostler-promote'), /^0 rules: 0 moved$/m)
  await machine.must(
    `mkdir -p /etc/credstore && ostler token user timer --role viewer ${admin} >/etc/credstore/ostler-token`,
  )
  await machine.must('systemctl start ostler-promote')
  t.regex(await says(`ostler token list ${admin}`), /timer +viewer +\S+ +\S+ +20\d\d-/)
  await machine.must('systemctl start ostler-janitor')
  t.is(await says('systemctl --failed --no-legend --plain'), '')

  // A report for others: all there, and no token in it.
  await machine.must('ostler-collect-logs --output /root/report.tar.gz')
  await machine.must('cd /root && tar -xzf report.tar.gz')
  t.regex(await says('cat /root/report/master/healthz.txt'), /answers 200/)
  t.regex(await says('cat /root/report/journals/buildmaster.txt'), /listening at/)
  for (const file of [`${state}/admin-token`, '/etc/ostler/worker.token', '/etc/credstore/ostler-token'])
    t.is((await machine.run(`grep -rqF "$(cat ${file})" /root/report`)).code, 1, file)
})
