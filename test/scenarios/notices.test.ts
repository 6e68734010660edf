// Notices by mail through the whole system: a red build's mail with the end of its log, over proven TLS with a login, and
// a master that is killed after the server took a mail and before that was written down.
import test from 'ava'
import {bodyOf, type CaughtMail, header, MailServer, selfSigned} from '../support/mail-server.ts'
import {needs} from '../support/needs.ts'
import {Repository} from '../support/repository.ts'
import {System} from '../support/system.ts'
import {builder, onPush, sh, written} from '../support/written.ts'

const mailReporter = (server: MailServer, more: object = {}, smtp: object = {}) => ({
  name: 'mail',
  kind: 'mail',
  from: 'Ostler <ostler@example.org>',
  to: ['dev@example.org', 'authors'],
  smtp: {host: 'localhost', port: server.port, ...smtp},
  ...more,
})

needs('git', 'openssl')(
  'a commit that turns a branch red is mailed to the list and its author with the end of the log, and so is the fix',
  async (t) => {
    const certificate = selfSigned(t)
    const server = await MailServer.open(t, {certificate, user: 'ostler', password: 's3cret'})
    const repository = await Repository.make(t)
    await repository.commit('first', {check: 'echo all is well\n'})
    await repository.push('main')
    const steps = [{kind: 'git', repository: 'repo'}, sh('test', 'sh -e ./check')]
    const system = await System.start(t, {
      config: () =>
        written([builder('check', steps)], {
          url: 'https://ci.example.org/',
          ...onPush(repository),
          reporters: [
            mailReporter(
              server,
              {subjectPrefix: '[test]'},
              {tls: 'starttls', user: 'ostler', password: {secret: 'mail'}},
            ),
          ],
        }),
      workers: ['w1'],
      env: {OSTLER_SECRET_MAIL: 's3cret', NODE_EXTRA_CA_CERTS: certificate.file},
    })
    await system.event(({type}) => type === 'build.finished')
    await repository.commit('break\u2028it', {check: 'printf "\\033[31mthe reason\\033[0m\\n"; exit 3\n'})
    await repository.push('main')
    await system.until('the problem is mailed', async () => (server.mails.length > 0 ? true : null))
    await repository.commit('mend it', {check: 'true\n'})
    await repository.push('main')
    await system.until('the fix is mailed', async () => (server.mails.length > 1 ? true : null))
    const [problem, fixed] = server.mails as [CaughtMail, CaughtMail]
    t.is(server.mails.length, 2)
    t.like(problem, {user: 'ostler', secure: true})
    t.deepEqual([...problem.to].sort(), ['ann@example.org', 'dev@example.org'])
    t.is(header(problem, 'Subject'), '[test] check #2 failure on main (problem)')
    t.is(header(fixed, 'Subject'), '[test] check #3 success on main (fixed)')
    t.is(header(problem, 'References'), header(fixed, 'References'))
    t.regex(bodyOf(problem), /The last lines of “test”:\n\n(?:.*\n)*? {4}the reason\n/)
    t.regex(bodyOf(problem), /Ann <ann@example\.org>: break it/)
    t.false(bodyOf(fixed).includes('last lines'))
  },
)

needs('postgresql')(
  'a master that is killed after the server has a mail sends it again, as the same mail, and no other twice',
  async (t) => {
    const server = await MailServer.open(t)
    const system = await System.start(t, {
      database: 'postgresql',
      config: () =>
        written([builder('check', [sh('test', 'false')])], {
          reporters: [mailReporter(server, {on: ['failure'], to: ['dev@example.org']}, {tls: 'never'})],
        }),
      workers: ['w1'],
    })
    await system.builds(await system.force('force'))
    await system.until('the first is mailed', async () => (server.mails.length === 1 ? true : null))

    let arrived = () => {}
    const arrival = new Promise<void>((resolve) => (arrived = resolve))
    let answer = () => {}
    const answered = new Promise<void>((resolve) => (answer = resolve))
    server.options = {
      message: async () => {
        arrived()
        await answered
        return null
      },
    }
    await system.builds(await system.force('force'))
    await arrival
    await system.master.process.kill()
    answer()
    server.options = {}
    await system.startMaster()
    t.is(server.mails.length, 2, 'the server has it')
    // Nobody else sends it while the dead one might still be at it; as if that time were over:
    await system.rows('UPDATE outbox SET next_at = now() WHERE sent_at IS NULL')
    await system.builds(await system.force('force'))
    await system.until('it comes again', async () => (server.mails.length === 4 ? true : null))
    const ids = server.mails.map((mail) => header(mail, 'Message-ID'))
    t.is(new Set(ids).size, 3)
    t.is(ids.filter((id) => id === ids[1]).length, 2)
    const rows = await system.rows<{tries: number; sent: boolean}>(
      'SELECT tries, sent_at IS NOT NULL AS sent FROM outbox ORDER BY id',
    )
    t.deepEqual(
      rows.map(({tries, sent}) => [tries, sent]),
      [
        [1, true],
        [2, true],
        [1, true],
      ],
    )
  },
)

test('a mail that the server refuses for good is listed with its answer, and sent once that is mended', async (t) => {
  const server = await MailServer.open(t, {recipient: () => ({code: 550, text: 'no such list'})})
  const system = await System.start(t, {
    config: () =>
      written([builder('check', [sh('test', 'false')])], {
        reporters: [mailReporter(server, {on: ['failure']}, {tls: 'ifOffered'})],
      }),
    workers: ['w1'],
  })
  await system.builds(await system.force('force'))
  const listed = await system.until('it is given up', async () => {
    const {stdout} = await system.master.ostler('reports', '--state', 'givenUp')
    return stdout.includes('no such list') ? stdout : null
  })
  t.regex(listed, /mail +givenUp +1 .*check #1 failure/)
  server.options = {}
  const id = /^(\d+)/m.exec(listed)?.[1] ?? ''
  t.is((await system.master.ostler('reports', '--again', id)).code, 0)
  await system.until('it is mailed', async () => (server.mails.length === 1 ? true : null))
})
