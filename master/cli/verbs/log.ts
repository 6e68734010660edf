// `ostler log`: what a build wrote.
import {buildShape, list, stepShape} from '../../http/shapes.ts'
import type {Client} from '../client.ts'
import {Ending, exits} from '../exits.ts'
import {followBuild, followLog} from '../follow.ts'
import {plain, say, sayJson} from '../print.ts'
import {clientOf, clientVerb, type ClientFlags, type Verb} from '../verb.ts'

export const log: Verb = (program) =>
  clientVerb(
    program,
    'log <build> [step]',
    'write the logs of a build (its id, or BUILDER/NUMBER), or of one step',
  )
    .option('-f, --follow', 'go on while it is written')
    .action(async (text: string, wanted: string | undefined, flags: ClientFlags & {follow?: boolean}) => {
      const client = await clientOf(flags)
      const build = await findBuild(client, text)
      if (flags.follow && wanted === undefined) return await followBuild(client, build)
      const {items} = await client.get(list(stepShape), `/builds/${build}/steps`)
      const steps = items.filter(
        (step) => wanted === undefined || step.name === wanted || String(step.number) === wanted,
      )
      if (wanted !== undefined && steps.length === 0)
        throw new Ending(
          exits.failed,
          `build ${text} has no step ${wanted}; it has ${items.map((step) => plain(step.name)).join(', ') || 'none yet'}`,
        )
      if (flags.json) return sayJson(steps)
      for (const step of steps)
        for (const one of step.logs) {
          if (wanted === undefined)
            say(`-- ${plain(step.name)}${one.name === 'stdio' ? '' : ` ${plain(one.name)}`}`)
          if (flags.follow) await followLog(client, one.id)
          else for await (const bytes of client.text(`/logs/${one.id}/raw`)) await write(bytes)
        }
    })

/** The id of a build given as its id, or as BUILDER/NUMBER or BUILDER#NUMBER. */
export async function findBuild(client: Client, text: string): Promise<string> {
  if (/^\d+$/.test(text)) return text
  const match = /^(.+)[/#](\d+)$/.exec(text)
  if (!match) throw new Ending(exits.usage, `a build is its id, or BUILDER/NUMBER, not ${text}`)
  return (
    await client.get(buildShape, `/builders/${encodeURIComponent(match[1] as string)}/builds/${match[2]}`)
  ).id
}

const write = (bytes: Uint8Array) =>
  new Promise<void>((resolve) => {
    if (process.stdout.write(bytes)) resolve()
    else process.stdout.once('drain', resolve)
  })
