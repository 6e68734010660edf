// Which database an installation takes, and the way from the embedded one to PostgreSQL.
import {buildGoesGreen, builds, ostler, statusLine} from '../support/installed.ts'
import {Machine} from '../support/machine.ts'
import {needs} from '../support/needs.ts'

const query = (database: string, sql: string) =>
  `runuser -u postgres -- psql --no-align --tuples-only --dbname='${database}' --command="${sql}"`
const environment = '/etc/ostler/master.env'
const localUrl = 'postgresql://ostler@/ostler?host=/var/run/postgresql'

needs('machine').serial(
  'with PostgreSQL on the machine the master makes its own role and database',
  async (t) => {
    const machine = await Machine.boot(t, {postgresql: true})

    // What another made under this name is left alone, whatever is asked.
    await machine.must(query('postgres', 'CREATE ROLE ostler SUPERUSER'))
    const {stdout: alone} = await machine.install()
    t.regex(alone, /a role ostler that this package did not make: it is left alone/)
    t.regex(alone, /the database: embedded/)
    t.is(
      (
        await machine.must(query('postgres', "SELECT rolcanlogin FROM pg_roles WHERE rolname = 'ostler'"))
      ).trim(),
      'f',
    )
    await machine.must('apt-get purge --yes ostler-master ostler-worker ostler-common')
    await machine.must(
      query('postgres', 'DROP ROLE ostler; CREATE DATABASE ostler'.replace('; ', '" --command="')),
    )
    const {stdout: database} = await machine.install(['ostler-common', 'ostler-master'])
    t.regex(database, /a database ostler of postgres: it is left alone/)
    await machine.must('apt-get purge --yes ostler-master')
    await machine.must(query('postgres', 'DROP DATABASE ostler'))

    const {stdout} = await machine.install()
    t.regex(stdout, /the database: PostgreSQL of this machine, its role and database ostler/)
    t.true((await machine.read(environment)).includes(`\nOSTLER_DATABASE_URL=${localUrl}\n`))
    await buildGoesGreen(machine)
    t.regex(await statusLine(machine, 'buildmaster'), /PostgreSQL/)
    t.is((await machine.must(query('ostler', 'SELECT count(*) FROM builds'))).trim(), '1')
    t.regex(await machine.journal('buildmaster'), /database=postgresql/)

    // Configured again, installed again: the same database, and nothing asked twice.
    await machine.must('dpkg-reconfigure --frontend=noninteractive ostler-master')
    await machine.must('apt-get remove --yes ostler-master ostler-worker')
    await machine.install()
    t.is((await builds(machine)).length, 1)
    // A purge takes the database that the installation made, as it takes the logs.
    await machine.must('apt-get purge --yes ostler-master ostler-worker')
    t.is(
      await machine.must(query('postgres', "SELECT datname FROM pg_database WHERE datname = 'ostler'")),
      '',
    )
    t.is(await machine.must(query('postgres', "SELECT rolname FROM pg_roles WHERE rolname = 'ostler'")), '')
    t.regex((await machine.install()).stdout, /the database: PostgreSQL of this machine/)
    await buildGoesGreen(machine)
  },
)

needs('machine').serial(
  'PostgreSQL that comes later is moved to when asked, with all that was built',
  async (t) => {
    const machine = await Machine.boot(t, {packages: true})
    await buildGoesGreen(machine)
    await machine.must('systemctl start postgresql && pg_isready --timeout=30')
    const said = await machine.run('dpkg-reconfigure --frontend=noninteractive ostler-master')
    t.regex(said.stderr, /the database: embedded, as before. A PostgreSQL is on this machine now/)

    await machine.must('echo "ostler-master ostler-master/database select local" | debconf-set-selections')
    const asked = await machine.run('dpkg-reconfigure --frontend=noninteractive ostler-master')
    t.regex(
      asked.stderr,
      /keeps its embedded database until what is in it is moved: \/usr\/lib\/ostler\/move-database/,
    )
    t.false(/^OSTLER_DATABASE_URL/m.test(await machine.read(environment)))

    // One that cannot be reached changes nothing.
    const nowhere = await machine.run(
      `/usr/lib/ostler/move-database postgresql://ostler@127.0.0.1:1/ostler`,
      {seconds: 180},
    )
    t.not(nowhere.code, 0)
    await buildGoesGreen(machine)

    await machine.must(`/usr/lib/ostler/move-database '${localUrl}'`)
    t.regex(await statusLine(machine, 'buildmaster'), /PostgreSQL/)
    await buildGoesGreen(machine)
    t.deepEqual(
      (await builds(machine)).map(({number, result}) => [number, result]),
      [3, 2, 1].map((number) => [number, 'success']),
    )
    t.regex(await ostler(machine, 'log 1'), /hello from machine/, 'logs came along')
  },
)

needs('machine').serial('an address that was asked for is used, and asked for again it is not', async (t) => {
  const machine = await Machine.boot(t)
  const url = 'postgresql://ostler:geheim@127.0.0.1:5432/builds'
  await machine.must(
    `echo 'ostler-master ostler-master/database-url password ${url}' | debconf-set-selections`,
  )
  await machine.must('systemctl start postgresql && pg_isready --timeout=30')
  await machine.must(query('postgres', "CREATE ROLE ostler LOGIN PASSWORD 'geheim'"))
  await machine.must(query('postgres', 'CREATE DATABASE builds OWNER ostler'))
  const {stdout} = await machine.install()
  t.regex(stdout, /the database: the one that was asked for/)
  t.notRegex(stdout, /geheim/)
  await buildGoesGreen(machine)
  t.is((await machine.must(query('builds', 'SELECT count(*) FROM builds'))).trim(), '1')
  t.is(
    (await machine.run('grep -r geheim /var/cache/debconf /var/log')).stdout,
    '',
    'the password is nowhere else',
  )
  t.regex(
    (await machine.run('dpkg-reconfigure --frontend=noninteractive ostler-master')).stderr,
    /the one that .*master.env names/,
  )
})
