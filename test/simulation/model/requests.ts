// The model of master/world/store/requests.ts: the queue and the claim.
import type {Ledger} from '../../../master/world/ledger.ts'
import {completeBuildsets, statement} from './statement.ts'
import type {RequestRow} from './rows.ts'

type Words = Pick<
  Ledger,
  'queue' | 'pausedBuilders' | 'explain' | 'explainOrphans' | 'collapseRequests' | 'lockPending' | 'openBuilds' | 'openAttempts'
> // prettier-ignore

const inOrder = (a: RequestRow, b: RequestRow) =>
  b.priority - a.priority || a.submittedAt - b.submittedAt || Number(a.id) - Number(b.id)

export const requestWords: Words = {
  queue: (sql, builders) =>
    statement(sql, 'queue', (view) => {
      const pending = view.all('requests').filter(({state}) => state === 'pending')
      const heads = builders.flatMap(({name, most}) =>
        pending
          .filter(({builder}) => builder === name)
          .sort(inOrder)
          .slice(0, most),
      )
      const requests = heads.sort(inOrder).map((request) => ({
        id: request.id,
        builder: request.builder,
        submittedAt: request.submittedAt,
        notBefore: request.notBefore,
        waiting: request.waiting,
        isBegun: view.all('builds').some((build) => build.request === request.id),
        stampKey: (view.get('buildsets', request.buildset)?.sourceStamps ?? [])
          .map(({repository, branch}) => `${repository} ${branch ?? ''}`)
          .join(','),
      }))
      return {requests, now: view.now}
    }),

  pausedBuilders: (sql) =>
    statement(
      sql,
      'pausedBuilders',
      (view) =>
        new Map(view.all('builders').flatMap(({id, paused}) => (paused ? [[id, paused] as const] : []))),
    ),

  async explain(sql, news) {
    if (news.size === 0) return
    await statement(sql, 'explain', (view) => {
      for (const [id, waiting] of news) {
        const request = view.get('requests', id)
        if (request?.state === 'pending') view.put('requests', {...request, waiting})
      }
    })
  },

  explainOrphans: (sql, builders) =>
    statement(sql, 'explainOrphans', (view) => {
      for (const request of view.all('requests')) {
        if (request.state !== 'pending' || builders.includes(request.builder)) continue
        if (request.waiting[0]?.code === 'no-builder') continue
        const text = `no builder ${request.builder} is configured any more`
        view.put('requests', {...request, waiting: [{code: 'no-builder', text}]})
      }
    }),

  async collapseRequests(tx, old) {
    const buildsets = await statement(tx, 'collapseRequests', (view) =>
      old.flatMap((id) => {
        const request = view.get('requests', id)
        if (request?.state !== 'pending' || view.all('builds').some((build) => build.request === id)) return []
        view.put('requests', {...request, state: 'finished', result: 'skipped', finishedAt: view.now, waiting: []})
        return [request.buildset]
      }),
    ) // prettier-ignore
    await completeBuildsets(tx, [...new Set(buildsets)])
  },

  lockPending: (tx, ids) =>
    statement(tx, 'lockPending', (view) =>
      [...ids]
        .sort((a, b) => Number(a) - Number(b))
        .flatMap((id) => {
          const request = view.get('requests', id)
          const buildset = view.get('buildsets', request?.buildset ?? null)
          if (request?.state !== 'pending' || !buildset || view.isLocked('requests', id)) return []
          view.lock('requests', id)
          const build = view.all('builds').find((each) => each.request === id && each.state !== 'finished')
          return [
            {
              id,
              builder: request.builder,
              buildset: request.buildset,
              reason: buildset.reason,
              origin: buildset.origin,
              scheduler: buildset.scheduler,
              sourceStamps: buildset.sourceStamps,
              properties: buildset.properties,
              build: build?.id ?? null,
              number: build?.number ?? null,
            },
          ]
        }),
    ),

  async openBuilds(tx, requests) {
    const kept = requests.flatMap((request) =>
      request.build !== null && request.number !== null
        ? [{request, build: request.build, number: request.number}]
        : [],
    )
    const fresh = requests.filter(({build}) => build === null)
    if (fresh.length === 0) return kept
    const numbers = await statement(tx, 'take numbers', (view) => {
      for (const name of [...new Set(fresh.map(({builder}) => builder))].sort()) {
        const builder = view.get('builders', name) ?? {id: name, lastNumber: 0, paused: null}
        const count = fresh.filter((request) => request.builder === name).length
        view.put('builders', {...builder, lastNumber: builder.lastNumber + count})
      }
      const next = new Map<string, number>()
      return fresh.map(({builder}) => {
        const count = fresh.filter((request) => request.builder === builder).length
        const number = next.get(builder) ?? (view.get('builders', builder)?.lastNumber ?? 0) - count + 1
        next.set(builder, number + 1)
        return number
      })
    })
    const opened = await statement(tx, 'insert builds', (view) =>
      fresh.map((request, at) => {
        const id = view.next('builds')
        const number = numbers[at] as number
        view.put('builds', {
          id, request: request.id, buildset: request.buildset, builder: request.builder, number, state: 'pending',
          result: null, summary: '', worker: null, attempt: null, attemptsLost: 0, executor: null, properties: {},
          cancel: null, startedAt: null, finishedAt: null,
        }) // prettier-ignore
        return {request, build: id, number}
      }),
    )
    return [...kept, ...opened]
  },

  async openAttempts(tx, attempts, acceptMs) {
    if (attempts.length === 0) return new Map()
    return await statement(tx, 'openAttempts', (view) => {
      const fences = new Map<string, string>()
      for (const {request, build, worker, plan} of attempts) {
        const id = view.next('attempts')
        view.put('attempts', {
          id, build, worker, plan, state: 'offered', applied: 0, acceptBy: view.now + acceptMs, acceptedAt: null,
          endedAt: null, refused: 0,
        }) // prettier-ignore
        const claimed = view.get('requests', request)
        if (claimed) view.put('requests', {...claimed, state: 'claimed', waiting: []})
        const row = view.get('builds', build)
        if (row) view.put('builds', {...row, attempt: id, worker, properties: plan.properties})
        fences.set(build, id)
      }
      return fences
    })
  },
}
