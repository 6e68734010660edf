// Following builds to their end on a terminal: their logs as they are written, step by step.
import {z} from 'zod'
import {
  buildsetShape,
  buildShape,
  followShape,
  list,
  requestShape,
  stepShape,
  type Buildset,
} from '../http/shapes.ts'
import type {Client} from './client.ts'
import {coloured, plain, say, span} from './print.ts'

const lookMs = 700

/** Shows the builds of a buildset one after the other until all are finished; answers the buildset's result. */
export async function followBuildset(client: Client, id: string, show: boolean): Promise<string | null> {
  const read = () => client.get(buildsetShape, `/buildsets/${id}`)
  if (show)
    for (const request of (await read()).requests) {
      const build = await awaitBuild(client, request.id)
      if (build === null) say(`${request.builder}: ${coloured('cancelled')} before it ran`)
      else await followBuild(client, build)
    }
  for (;;) {
    const buildset: Buildset = await read()
    if (buildset.complete) return buildset.result
    await sleep(lookMs)
  }
}

/** The build that a request came to, telling meanwhile why it waits; null for a request that ended without one. */
async function awaitBuild(client: Client, request: string): Promise<string | null> {
  let told = ''
  for (;;) {
    const {builder, builds, state, waiting} = await client.get(requestShape, `/requests/${request}`)
    const last = builds.at(-1)
    if (last !== undefined) return last
    if (state === 'finished') return null
    const why = waiting.map((wait) => plain(wait.text)).join(', ')
    if (why !== told) say(`${builder}: waits${why ? `: ${why}` : ''}`)
    told = why
    await sleep(lookMs)
  }
}

/** Shows a build's steps and logs until it is finished. */
export async function followBuild(client: Client, id: string): Promise<void> {
  let attempt: string | null = null
  const shown = new Set<string>()
  for (;;) {
    const build = await client.get(buildShape, `/builds/${id}`)
    if (build.attempt !== attempt) {
      if (attempt !== null) say(`-- ${build.builder} #${build.number} begins again: its worker was lost`)
      attempt = build.attempt
      shown.clear()
      if (attempt !== null) say(`-- ${build.builder} #${build.number} on ${build.worker ?? 'a worker'}`)
    }
    const {items} = await client.get(list(stepShape), `/builds/${id}/steps`)
    for (const step of items) {
      for (const log of step.logs.filter((one) => !shown.has(`log ${one.id}`))) {
        shown.add(`log ${log.id}`)
        if (!shown.has(`step ${step.number}`)) say(`-- ${plain(step.name)}`)
        shown.add(`step ${step.number}`)
        await followLog(client, log.id)
      }
      if (step.state === 'finished' && !shown.has(`end ${step.number}`)) {
        shown.add(`end ${step.number}`)
        say(
          `-- ${plain(step.name)}: ${coloured(step.result ?? 'finished')} ${plain(step.summary)} (${span(step.startedAt, step.finishedAt)})`,
        )
      }
    }
    if (build.state === 'finished') {
      say(
        `-- ${build.builder} #${build.number}: ${coloured(build.result ?? 'finished')} ${plain(build.summary)} (${span(build.startedAt, build.finishedAt)})`,
      )
      return
    }
    await sleep(lookMs)
  }
}

/** Writes a log from its beginning until it is complete. */
export async function followLog(client: Client, id: string): Promise<void> {
  const isLast = (data: string) => followShape.parse(JSON.parse(data)).complete
  let endsWithFeed = true
  for await (const {event, data} of client.events(
    `/logs/${id}/follow`,
    (one) => one.event === 'lines' && isLast(one.data),
  )) {
    if (event !== 'lines') continue
    const {text} = z.object({text: z.string()}).parse(JSON.parse(data))
    process.stdout.write(text)
    if (text !== '') endsWithFeed = text.endsWith('\n')
  }
  if (!endsWithFeed) process.stdout.write('\n')
}

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
