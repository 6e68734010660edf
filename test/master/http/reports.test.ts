// What the reporters' outbox shows of itself, and sending again.
import {addReports, markFailed, markSent} from '../../../master/world/store/outbox.ts'
import {eachFront} from './front.ts'

interface Report {
  readonly id: string
  readonly state: string
  readonly title: string
  readonly error: string | null
  readonly recipients: readonly string[]
}

eachFront('reports that wait, were sent or were given up are listed with what was said', async (t, front) => {
  const {store} = front
  const payload = (title: string) => ({event: 'problem', title, link: null, at: '2026-01-01T00:00:00.000Z'})
  await store.transaction((tx) =>
    addReports(tx, [
      {reporter: 'mail', eventId: '1', payload: {...payload('one'), mail: {to: ['a@example.org'], left: []}}},
      {reporter: 'mail', eventId: '2', payload: payload('two')},
      {reporter: 'chat', eventId: '2', payload: payload('three')},
    ]),
  )
  await markFailed(store, '1', '550 no such user', null)
  await markSent(store, '2')
  const ask = async (query: string) =>
    (await front.ask({url: `/api/v1/reports${query}`, as: 'developer'})).json<{items: Report[]}>().items
  t.like(await ask(''), [
    {title: 'three', state: 'waiting'},
    {title: 'two', state: 'sent', error: null},
    {title: 'one', state: 'givenUp', error: '550 no such user', recipients: ['a@example.org']},
  ])
  for (const [query, title] of [
    ['?state=givenUp', 'one'],
    ['?state=sent', 'two'],
    ['?state=waiting', 'three'],
    ['?reporter=chat', 'three'],
  ] as const)
    t.deepEqual(
      (await ask(query)).map((report) => report.title),
      [title],
    )
})

eachFront(
  'an operator has a report sent again that was given up, and none that was sent',
  async (t, front) => {
    const {store} = front
    await store.transaction((tx) => addReports(tx, [{reporter: 'mail', eventId: '1', payload: {title: 'x'}}]))
    await markFailed(store, '1', '550', null)
    const again = async (as: 'developer' | 'operator') =>
      (await front.ask({method: 'POST', url: '/api/v1/reports/1/again', as})).statusCode
    t.is(await again('developer'), 403)
    t.is(await again('operator'), 202)
    const [row] = await store.query<{due: boolean; tries: number}>(
      'SELECT given_up_at IS NULL AND next_at <= now() AS due, tries FROM outbox',
    )
    t.like(row, {due: true, tries: 0})
    t.is((await store.query(`SELECT 1 FROM audit WHERE action = 'report.again'`)).length, 1)
    await markSent(store, '1')
    t.is(await again('operator'), 409)
  },
)
