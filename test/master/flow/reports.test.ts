// The stage that tells people: events of the log become letters in the outbox, and letters reach a mail server and a
// chat's hook that really listen.
import type {ExecutionContext} from 'ava'
import {addReports, takeDue} from '../../../master/world/store/outbox.ts'
import {reports} from '../../../master/flow/reports.ts'
import {recordChanges} from '../../../master/world/store/changes.ts'
import {record} from '../../../master/world/store/events.ts'
import {resolveConflicts} from '../../../master/world/store/promotions.ts'
import type {Store} from '../../../master/world/store/store.ts'
import {Receiver} from '../../chaos/receiver.ts'
import {eachDatabase} from '../../support/database.ts'
import {
  bodyOf,
  type CaughtMail,
  header,
  MailServer,
  type MailServerOptions,
} from '../../support/mail-server.ts'
import {openTestWorld} from '../../support/world.ts'

const tips = {from: 'a'.repeat(40), to: 'b'.repeat(40)}

interface Scene {
  readonly mail?: MailServerOptions
  readonly to?: string
  readonly on?: string
}

async function given(
  t: ExecutionContext,
  store: Store,
  {mail = {}, to = '[dev@example.org]', on}: Scene = {},
) {
  const server = await MailServer.open(t, mail)
  const login = mail.user === undefined ? '' : `, user: ${mail.user}, password: {secret: KEY}`
  const yaml = `
url: https://ci.example.org/
changeSources: [{name: p, kind: git, url: "https://git.example.org/p", branches: ["**"]}]
builders: [{name: check, steps: [{kind: shell, command: make}]}]
promotions:
  rules: [{name: carry, kind: merge, source: p, from: stable, to: devel}]
reporters:
  - name: mail
    kind: mail
    ${on === undefined ? '' : `on: ${on}`}
    from: ostler@example.org
    to: ${to}
    smtp: {host: localhost, port: ${String(server.port)}, tls: ifOffered${login}}
`
  const world = await openTestWorld(t, store, yaml)
  const stage = reports(world)
  return {
    server,
    world,
    run: () => stage.run(),
    /** As if the time for the next try had come. */
    later: async () => {
      await store.query('UPDATE outbox SET next_at = now()')
      await stage.run()
    },
    subjects: () => server.mails.map((one) => header(one, 'Subject')),
    happened: (type: string, data: object) => store.transaction((tx) => record(tx, [{type, data}])),
    outbox: () =>
      store.query<{tries: number; error: string | null; sent: boolean; up: boolean}>(
        'SELECT tries, error, sent_at IS NOT NULL AS sent, given_up_at IS NOT NULL AS up FROM outbox ORDER BY id',
      ),
  }
}

/** A row of the carrying rule, in a state; answers its id. */
async function decision(
  store: Store,
  state: string,
  over: {from?: string; kind?: string} = {},
): Promise<string> {
  const [row] = await store.query<{id: string}>(
    `INSERT INTO promotions (rule, kind, source, from_branch, to_branch, from_tip, to_tip, candidate, landed, verdict, reasons, evidence, state, actor)
     VALUES ('carry', $4, 'p', 'stable', 'devel', $1, $2, $1, $2, 'wait', '["why"]', '{"files": ["a.py"]}', $3, 'build') RETURNING id`,
    [over.from ?? tips.from, tips.to, state, over.kind ?? 'merge'],
  )
  return (row as {id: string}).id
}

let number = 0
/** A finished build of two people's changes, whose step failed if it did, with the event. */
async function build(store: Store, result: string, branch = 'main'): Promise<void> {
  const n = ++number
  const changes = await store.transaction((tx) =>
    recordChanges(
      tx,
      ['Ann <ann@example.org>', 'Bob <bob@example.org>'].map((author, at) => ({
        source: 'p',
        repository: 'https://git.example.org/p',
        branch,
        revision: `${String(n)}${String(at)}`.padStart(40, '0'),
        parents: [],
        author,
        message: `change ${String(at)}\n\nmore`,
        files: [],
        filesMore: 0,
        link: null,
        committedAt: null,
      })),
    ),
  )
  const [row] = await store.query<{id: string}>(
    `WITH s AS (INSERT INTO buildsets (reason, origin, source_stamps, change_ids) VALUES ('why', 'scheduler', '[]', $1) RETURNING id),
       r AS (INSERT INTO requests (buildset_id, builder) SELECT id, 'check' FROM s RETURNING id, buildset_id)
     INSERT INTO builds (request_id, buildset_id, builder, number, state, result, branch, source_stamps, origin, reason, finished_at)
     SELECT id, buildset_id, 'check', $2, 'finished', $3, $4, '[]', 'scheduler', 'why', now() FROM r RETURNING id`,
    [changes.map(({id}) => id), n, result, branch],
  )
  const {id} = row as {id: string}
  await store.query(
    `WITH a AS (INSERT INTO attempts (build_id, worker, state, plan, accept_by) VALUES ($1, 'w', 'finished', '{}', now()) RETURNING id),
       s AS (INSERT INTO steps (build_id, attempt, number, name, kind, state, result, summary)
         SELECT $1, id, 0, 'test', 'shell', 'finished', $2, 'exit code 2' FROM a)
     UPDATE builds SET attempt = a.id FROM a WHERE builds.id = $1`,
    [id, result],
  )
  await store.transaction((tx) =>
    record(tx, [{type: 'build.finished', data: {build: id, builder: 'check', number: n, result}}]),
  )
}

eachDatabase(
  'a build that goes red and green again is two mails of one thread, to the list and the authors',
  async (t, store) => {
    const g = await given(t, store, {
      to: '[dev@example.org, authors]',
      mail: {user: 'ostler', password: 's3cret'},
    })
    for (const result of ['success', 'failure', 'failure', 'success']) await build(store, result)
    await build(store, 'success', 'other')
    await g.run()
    await g.run()
    // Both are due, and are sent side by side: which arrives first, nobody promises.
    t.deepEqual(
      g
        .subjects()
        .map((one) => one?.replace(/#\d+/, '#'))
        .toSorted(),
      ['[Ostler] check # failure on main (problem)', '[Ostler] check # success on main (fixed)'],
    )
    const named = (word: string) => g.server.mails.find((mail) => header(mail, 'Subject')?.includes(word))
    const [problem, fixed] = [named('problem'), named('fixed')]
    if (!problem || !fixed) return t.fail('two mails were expected')
    t.deepEqual([...problem.to].sort(), ['ann@example.org', 'bob@example.org', 'dev@example.org'])
    t.like(problem, {user: 'ostler', secure: true})
    t.is(header(problem, 'In-Reply-To'), header(fixed, 'In-Reply-To'))
    t.not(header(problem, 'Message-ID'), header(fixed, 'Message-ID'))
    t.regex(bodyOf(problem), /Failed at: {4}test \(exit code 2\)/)
    t.regex(bodyOf(problem), /Bob <bob@example\.org>: change 1/)
    t.regex(bodyOf(problem), /https:\/\/ci\.example\.org\/builds\/\d+/)
  },
)

eachDatabase(
  'a conflict of two tips is told once however often it is found, with its files, to its authors',
  async (t, store) => {
    const g = await given(t, store, {to: 'authors'})
    const authors = ['Ann <ann@example.org>']
    const files = ['a.py', 'b.py']
    const first = await decision(store, 'conflict')
    await g.happened('promotion.conflict', {rule: 'carry', promotion: first, files, authors})
    await g.happened('promotion.conflict', {rule: 'carry', promotion: first, files, authors})
    await g.run()
    const second = await decision(store, 'conflict')
    await g.happened('promotion.conflict', {rule: 'carry', promotion: second, files, authors})
    await g.run()
    t.deepEqual(g.subjects(), ['[Ostler] stable does not merge into devel'])
    t.deepEqual(g.server.mails[0]?.to, ['ann@example.org'])
    t.regex(bodyOf(g.server.mails[0] as CaughtMail), /a\.py\n {2}b\.py/)
    const moved = await decision(store, 'conflict', {from: 'c'.repeat(40)})
    await g.happened('promotion.conflict', {rule: 'carry', promotion: moved, files, authors})
    await g.run()
    t.is(g.server.mails.length, 2, 'other tips are another conflict')
  },
)

eachDatabase(
  'a conflict that stands is reminded of once a day, until it is resolved, which is told once',
  async (t, store) => {
    const g = await given(t, store)
    const id = await decision(store, 'conflict')
    await g.happened('promotion.conflict', {rule: 'carry', promotion: id, files: ['a.py']})
    const aDayLater = async () => {
      await store.query(`UPDATE promotions SET decided_at = decided_at - interval '25 hours'`)
      await store.query(`UPDATE events SET at = at - interval '25 hours'`)
      // Another master's first look.
      await reports(g.world).run()
      await reports(g.world).run()
    }
    await g.run()
    await aDayLater()
    await aDayLater()
    const still = '[Ostler] still: stable does not merge into devel'
    t.deepEqual(g.subjects(), ['[Ostler] stable does not merge into devel', still, still])
    t.regex(bodyOf(g.server.mails[1] as CaughtMail), /It has stood since \d{4}-/)
    await store.transaction((tx) => resolveConflicts(tx, 'carry'))
    await g.happened('promotion.resolved', {rule: 'carry', promotion: id})
    await aDayLater()
    t.deepEqual(g.subjects().slice(3), ['[Ostler] stable is in devel again'])
  },
)

eachDatabase(
  'every event of a promotion is told to who wants it, also where it names no decision',
  async (t, store) => {
    const all = '[promoted, carried, conflict, resolved, diverged, refused, held, released]'
    const g = await given(t, store, {on: all})
    const promotion = await decision(store, 'done')
    const forward = await decision(store, 'done', {kind: 'fastForward'})
    await g.happened('branch.promoted', {
      rule: 'carry',
      from: 'stable',
      to: 'devel',
      revision: tips.from,
      promotion,
    })
    await g.happened('branch.promoted', {
      rule: 'carry',
      promotion: forward,
      kind: 'fastForward',
      landed: tips.to,
    })
    await g.happened('promotion.diverged', {rule: 'carry', promotion})
    await g.happened('promotion.refused', {rule: 'carry', promotion, error: 'hook declined'})
    await g.happened('promotion.held', {rule: 'carry', hold: '1', by: 'ann', reason: 'release'})
    await g.happened('promotion.released', {rule: 'carry', hold: '1', by: 'bob', reason: null})
    await g.happened('promotion.held', {rule: 'unheard-of', hold: '2', by: 'ann', reason: 'x'})
    await g.run()
    t.deepEqual([...g.subjects()].sort(), [
      '[Ostler] devel has commits that stable does not have',
      '[Ostler] devel is held by ann: release',
      '[Ostler] devel is now at bbbbbbbbbbbb',
      '[Ostler] devel is released by bob',
      '[Ostler] devel now has stable up to aaaaaaaaaaaa',
      '[Ostler] promoting stable to devel was refused',
      '[Ostler] the target of unheard-of is held by ann: x',
    ])
  },
)

eachDatabase(
  'a greylisted mail comes at the next try, and only to whom it had not come',
  async (t, store) => {
    const again = new Set(['dev@example.org', 'bob@example.org'])
    const recipient = (address: string) => (again.delete(address) ? {code: 450, text: 'come again'} : null)
    const g = await given(t, store, {to: '[dev@example.org, authors]', mail: {recipient}})
    await build(store, 'failure')
    await g.run()
    t.deepEqual(
      g.server.mails.map(({to}) => to),
      [['ann@example.org']],
    )
    t.like(await g.outbox(), [{tries: 1, sent: false, up: false}])
    await g.later()
    t.deepEqual(g.server.mails[1]?.to, ['dev@example.org', 'bob@example.org'])
    t.like(await g.outbox(), [{tries: 2, sent: true, error: null}])
    t.is(
      header(g.server.mails[0] as CaughtMail, 'Message-ID'),
      header(g.server.mails[1] as CaughtMail, 'Message-ID'),
    )
  },
)

eachDatabase(
  'a mail that is refused for good is given up at once, with what the server said',
  async (t, store) => {
    const g = await given(t, store, {mail: {recipient: () => ({code: 550, text: 'no such list'})}})
    await build(store, 'failure')
    await g.run()
    await g.later()
    const [row] = await g.outbox()
    t.like(row, {tries: 1, sent: false, up: true})
    t.regex(row?.error ?? '', /dev@example\.org: 550 no such list/)
  },
)

eachDatabase('a mail that nobody would get is none', async (t, store) => {
  const g = await given(t, store, {to: 'authors', on: '[held]'})
  await g.happened('promotion.held', {rule: 'carry', hold: '1', by: 'ann', reason: 'x'})
  await g.run()
  t.deepEqual(await g.outbox(), [])
})

eachDatabase('of many readers of one event log each event is told by one', async (t, store) => {
  const g = await given(t, store)
  for (let n = 0; n < 6; n++) await build(store, n % 2 === 0 ? 'failure' : 'success')
  await Promise.all(Array.from({length: 4}, () => reports(g.world).run()))
  await g.run()
  t.is(g.server.mails.length, 6)
  t.is(new Set(g.server.mails.map((one) => header(one, 'Message-ID'))).size, 6)
})

eachDatabase('slow reporters hold what they send for longer', async (t, store) => {
  await store.transaction((tx) =>
    addReports(tx, [
      {reporter: 'mail', eventId: '1', payload: {}},
      {reporter: 'chat', eventId: '1', payload: {}},
    ]),
  )
  await store.transaction((tx) => takeDue(tx, 20, {usualMs: 1000, slow: ['mail'], slowMs: 100_000}))
  const rows = await store.query<{reporter: string; s: number}>(
    'SELECT reporter, round(extract(epoch FROM next_at - now()))::int AS s FROM outbox ORDER BY id',
  )
  t.deepEqual(
    rows.map(({reporter, s}) => [reporter, s > 10]),
    [
      ['mail', true],
      ['chat', false],
    ],
  )
})

eachDatabase('a chat gets its own form of the same letter', async (t, store) => {
  const receiver = await Receiver.open(t)
  const g = await given(t, store)
  await g.world.reconfigure(`
builders: [{name: check, steps: [{kind: shell, command: make}]}]
reporters: [{name: chat, kind: webhook, dialect: slack, url: "${receiver.url}", on: [problem]}]
`)
  await build(store, 'failure')
  await g.run()
  const [letter] = [...receiver.letters.values()] as unknown as {
    text: string
    attachments: {color: string}[]
  }[]
  t.regex(letter?.text ?? '', /^check #\d+ failure on main \(problem\)$/)
  t.is(letter?.attachments[0]?.color, '#c62828')
})
