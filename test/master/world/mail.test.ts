import test from 'ava'
import type {Smtp} from '../../../config/config.ts'
import {MailRefused, sendMail, type Mail} from '../../../master/world/mail.ts'
import {bodyOf, type CaughtMail, header, headerNames, MailServer} from '../../support/mail-server.ts'

const smtp = (server: MailServer, over: Partial<Smtp> = {}): Smtp => ({
  host: '127.0.0.1',
  port: server.port,
  tls: 'ifOffered',
  user: null,
  password: null,
  ...over,
})

const mail = (over: Partial<Mail> = {}): Mail => ({
  from: 'Ostler <ostler@example.org>',
  to: ['ann@example.org', 'bob@example.org'],
  left: ['ann@example.org', 'bob@example.org'],
  subject: '[Ostler] check #7 failure on main',
  text: 'what\n\nwhy\n',
  delivery: 'mail-7',
  thread: 'build check main',
  at: new Date('2026-11-22T10:00:00Z'),
  event: 'problem',
  ...over,
})

test('a mail comes as it was written, with headers that thread it and keep machines from answering', async (t) => {
  const server = await MailServer.open(t)
  t.deepEqual(await sendMail(smtp(server), null, mail({text: `ü ${'x'.repeat(2000)}\n.\nFrom me\n`})), {
    left: [],
    refused: [],
    because: null,
  })
  const [caught] = server.mails
  if (!caught) return t.fail('nothing came')
  t.true(caught.secure, 'STARTTLS was offered, so it was used')
  t.is(caught.from, 'ostler@example.org')
  t.deepEqual(caught.to, ['ann@example.org', 'bob@example.org'])
  t.is(header(caught, 'From'), 'Ostler <ostler@example.org>')
  t.is(header(caught, 'To'), 'ann@example.org, bob@example.org')
  t.is(header(caught, 'Subject'), '[Ostler] check #7 failure on main')
  t.is(header(caught, 'Date'), 'Sun, 22 Nov 2026 10:00:00 +0000')
  t.is(header(caught, 'Auto-Submitted'), 'auto-generated')
  t.is(header(caught, 'Content-Type'), 'text/plain; charset=utf-8')
  t.regex(header(caught, 'Message-ID') ?? '', /^<[0-9a-f]{32}\.ostler@example\.org>$/)
  t.is(header(caught, 'In-Reply-To'), header(caught, 'References'))
  t.is(bodyOf(caught).trimEnd(), `ü ${'x'.repeat(2000)}\n.\nFrom me`)
})

test('the same mail has the same Message-ID, another a different one, and those of one thread one parent', async (t) => {
  const server = await MailServer.open(t)
  for (const over of [{}, {}, {delivery: 'mail-8'}, {delivery: 'mail-9', thread: 'promotion stable'}])
    await sendMail(smtp(server), null, mail(over))
  const ids = server.mails.map((one) => header(one, 'Message-ID'))
  const parents = server.mails.map((one) => header(one, 'In-Reply-To'))
  t.is(ids[0], ids[1])
  t.is(new Set(ids).size, 3)
  t.is(parents[0], parents[2])
  t.is(new Set(parents).size, 2)
})

test('words that would end a header make no new one', async (t) => {
  const server = await MailServer.open(t)
  const evil = 'x\r\nBcc: evil@example.org\r\n\r\nbody'
  await sendMail(smtp(server), null, mail())
  await sendMail(smtp(server), null, mail({subject: evil, event: evil, delivery: evil, thread: evil}))
  const [plain, odd] = server.mails
  if (!plain || !odd) return t.fail('nothing came')
  t.deepEqual(headerNames(odd), headerNames(plain))
  t.deepEqual(odd.to, ['ann@example.org', 'bob@example.org'])
})

test('a login is sent over TLS only where that is asked for', async (t) => {
  const login = {user: 'ostler', password: 's3cret'}
  const server = await MailServer.open(t, login)
  const given = {user: 'ostler', password: {secret: 'p'}}
  await sendMail(smtp(server, given), 's3cret', mail())
  t.like(server.mails[0], {user: 'ostler', secure: true})
  const plain = await MailServer.open(t, {...login, plain: true})
  await t.throwsAsync(sendMail(smtp(plain, {...given, tls: 'starttls'}), 's3cret', mail()), {
    message: /ETLS|STARTTLS/,
  })
  t.is(plain.mails.length, 0)
  // A wrong password says nothing about the mail: it may be put right.
  const wrong = await t.throwsAsync(sendMail(smtp(server, given), 'wrong', mail()))
  t.false(wrong instanceof MailRefused)
  t.regex(wrong?.message ?? '', /EAUTH.*535/)
  t.notRegex(wrong?.message ?? '', /s3cret|wrong$/)
})

test('with starttls and tls a server that cannot prove who it is gets nothing', async (t) => {
  for (const secure of [false, true]) {
    const server = await MailServer.open(t, {secure})
    const error = await t.throwsAsync(
      sendMail(smtp(server, {tls: secure ? 'tls' : 'starttls'}), null, mail()),
    )
    t.false(error instanceof MailRefused)
    t.regex(error?.message ?? '', /self-signed|certificate/i)
    t.is(server.mails.length, 0)
  }
})

test('never is in the clear, also where the server offers more', async (t) => {
  const server = await MailServer.open(t)
  await sendMail(smtp(server, {tls: 'never'}), null, mail())
  t.false(server.mails[0]?.secure)
})

test('a greylisting server is asked again, one that refuses for good is not', async (t) => {
  const server = await MailServer.open(t, {recipient: () => ({code: 450, text: 'come again'})})
  t.deepEqual((await sendMail(smtp(server), null, mail())).left, ['ann@example.org', 'bob@example.org'])
  server.options = {recipient: () => ({code: 550, text: 'no such user'})}
  await t.throwsAsync(sendMail(smtp(server), null, mail()), {
    instanceOf: MailRefused,
    message: /550 no such user/,
  })
  server.options = {message: () => ({code: 451, text: 'later'})}
  const later = await t.throwsAsync(sendMail(smtp(server), null, mail()), {message: /451 later/})
  t.false(later instanceof MailRefused)
  server.options = {message: () => ({code: 554, text: 'spam'})}
  await t.throwsAsync(sendMail(smtp(server), null, mail()), {instanceOf: MailRefused, message: /554 spam/})
})

test('of several recipients those that were taken are not asked again', async (t) => {
  const answers: Record<string, {code: number; text: string}> = {
    'bob@example.org': {code: 450, text: 'come again'},
    'eve@example.org': {code: 550, text: 'no such user'},
  }
  const server = await MailServer.open(t, {recipient: (address) => answers[address] ?? null})
  const all = ['ann@example.org', 'bob@example.org', 'eve@example.org']
  const taken = await sendMail(smtp(server), null, mail({to: all, left: all}))
  t.deepEqual([taken.left, taken.refused], [['bob@example.org'], ['eve@example.org']])
  t.regex(taken.because ?? '', /bob@example\.org: 450 come again; eve@example\.org: 550 no such user/)
  t.deepEqual(server.mails[0]?.to, ['ann@example.org'])
  t.is(header(server.mails[0] as CaughtMail, 'To'), all.join(', '))
})

test('nobody who listens is a reason to try again', async (t) => {
  const server = await MailServer.open(t)
  const error = await t.throwsAsync(sendMail(smtp(server, {port: 1}), null, mail()))
  t.false(error instanceof MailRefused)
  t.regex(error?.message ?? '', /ECONNREFUSED/)
})
