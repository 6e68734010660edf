// What other programs look at beside the API: health, metrics, badges and CCTray.
import type {FastifyInstance} from 'fastify'
import {readBuilders} from '../../world/store/views/builders.ts'
import {observe} from '../metrics.ts'
import type {Needs} from '../needs.ts'
import {notFound} from '../refusals.ts'

const healthMs = 3000

export function outsideRoutes(app: FastifyInstance, needs: Needs): void {
  app.get('/healthz', {config: {policy: 'open'}}, async (_request, reply) => {
    const reasons = [...(await databaseReasons(needs)), ...(await needs.complaints())]
    return await reply
      .code(reasons.length === 0 ? 200 : 503)
      .header('cache-control', 'no-store')
      .send({status: reasons.length === 0 ? 'ok' : 'unwell', reasons})
  })
  const metrics = observe(needs)
  // Builders' and workers' names are in it, so it is open only where reading is.
  app.get('/metrics', {config: {policy: 'read'}}, async (_request, reply) =>
    reply.type(needs.metrics.contentType).send(await metrics()),
  )
  app.get<{Params: {file: string}}>('/badge/:file', {config: {policy: 'read'}}, async (request, reply) => {
    const name = /^(.+)\.svg$/.exec(request.params.file)?.[1]
    const builder = needs.settings().config.builders.find((one) => one.name === name)
    if (!builder) throw notFound('badge', request.params.file)
    const [found] = await readBuilders(needs.store, [builder.name])
    const last = await lastResult(needs, builder.name)
    return await reply
      .header('cache-control', 'no-cache')
      .type('image/svg+xml')
      .send(badge(builder.name, found?.state === 'paused' ? 'paused' : (last ?? 'no builds')))
  })
  app.get('/cc.xml', {config: {policy: 'read'}}, async (_request, reply) => {
    const {builders, url} = needs.settings().config
    const found = await readBuilders(
      needs.store,
      builders.map((builder) => builder.name),
    )
    const finished = await readFinished(
      needs,
      builders.map((builder) => builder.name),
    )
    const projects = found.map(({name, running}) => {
      const last = finished.get(name)
      return `  <Project name="${escape(name)}" activity="${running > 0 ? 'Building' : 'Sleeping'}" lastBuildStatus="${ccStatus(last?.result ?? null)}" lastBuildLabel="${last?.number ?? ''}" lastBuildTime="${last?.at.toISOString() ?? ''}" webUrl="${escape(`${url ?? '/'}builders/${encodeURIComponent(name)}`)}"/>`
    })
    return await reply
      .header('cache-control', 'no-cache')
      .type('text/xml; charset=utf-8')
      .send(`<?xml version="1.0" encoding="UTF-8"?>\n<Projects>\n${projects.join('\n')}\n</Projects>\n`)
  })
}

async function databaseReasons(needs: Needs): Promise<string[]> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`it did not answer within ${healthMs / 1000} s`)), healthMs)
  })
  try {
    await Promise.race([needs.store.query('SELECT 1'), late])
    return []
  } catch (error) {
    // Anybody may ask for the health, so the words hold no address or name.
    return [
      `database: ${/did not answer/.test((error as Error).message) ? (error as Error).message : 'it cannot be asked'}`,
    ]
  } finally {
    clearTimeout(timer)
  }
}

interface Finished {
  readonly builder: string
  readonly number: number
  readonly result: string | null
  readonly at: Date
}

async function readFinished(needs: Needs, names: readonly string[]): Promise<Map<string, Finished>> {
  const rows = await needs.store.query<Finished>(
    `SELECT n.name AS builder, b.number, b.result, b.finished_at AS at FROM unnest($1::text[]) AS n(name)
       JOIN LATERAL (
         SELECT number, result, finished_at FROM builds WHERE builder = n.name AND state = 'finished'
          ORDER BY finished_at DESC, id DESC LIMIT 1
       ) b ON true`,
    [names],
  )
  return new Map(rows.map((row) => [row.builder, row]))
}

const lastResult = async (needs: Needs, name: string) =>
  (await readFinished(needs, [name])).get(name)?.result ?? null

const ccStatus = (result: string | null): string => {
  if (result === null) return 'Unknown'
  if (result === 'success' || result === 'warnings' || result === 'skipped') return 'Success'
  return result === 'failure' ? 'Failure' : 'Exception'
}

const colours: Readonly<Record<string, string>> = {
  success: '#2e7d32',
  warnings: '#b26a00',
  failure: '#c62828',
  exception: '#6a1b9a',
}

function badge(name: string, status: string): string {
  const width = (text: string) => Math.round(text.length * 6.6) + 12
  const [left, right] = [width(name), width(status)]
  const text = (at: number, words: string) =>
    `<text x="${at}" y="14" fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">${escape(words)}</text>`
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${left + right}" height="20" role="img" aria-label="${escape(`${name}: ${status}`)}"><title>${escape(`${name}: ${status}`)}</title><rect width="${left}" height="20" fill="#444"/><rect x="${left}" width="${right}" height="20" fill="${colours[status] ?? '#616161'}"/>${text(left / 2, name)}${text(left + right / 2, status)}</svg>`
}

const escape = (text: string) => text.replace(/[&<>"']/g, (one) => `&#${one.charCodeAt(0)};`)
