// GET /events: the event log as it happens, resumable from any of its events.
import {z} from 'zod'
import {cursorText, parseCursor} from '../../world/store/events.ts'
import {mayStay} from '../access.ts'
import {Refusal} from '../refusals.ts'
import type {Api, RouteNeeds} from './index.ts'

export function eventRoutes(api: Api, needs: RouteNeeds): void {
  api.get(
    '/events',
    {
      config: {policy: 'read', stream: true},
      schema: {
        summary: 'Server-Sent Events of the event log; resume with Last-Event-ID or `after`',
        produces: ['text/event-stream'],
        querystring: z.object({after: z.string().max(60).optional(), types: z.string().max(1000).optional()}),
      },
    },
    async (request, reply) => {
      const text = request.headers['last-event-id'] ?? request.query.after
      const after = typeof text === 'string' && text !== '' ? parseCursor(text) : null
      if (typeof text === 'string' && text !== '' && after === null)
        throw new Refusal(400, 'bad-input', 'events are resumed after the id of one of them', [
          {path: 'after', message: 'not an event id'},
        ])
      const types = request.query.types?.split(',')
      const stream = needs.streams.open(request, reply, () => mayStay(request, needs))
      await needs.feed
        .follow(after, {
          gone: stream.gone,
          drained: () => stream.drained(),
          database: (state) => stream.send({event: 'database', data: JSON.stringify({state})}),
          take(events) {
            for (const {cursor, at, type, data} of events)
              if (!types || types.includes(type))
                stream.send({
                  id: cursorText(cursor),
                  event: type,
                  data: JSON.stringify({...data, at: at.toISOString()}),
                })
          },
        })
        .catch(() => {
          stream.send({event: 'database', data: JSON.stringify({state: 'away'})})
          stream.end()
        })
      return reply
    },
  )
}
