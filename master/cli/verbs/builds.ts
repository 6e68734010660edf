// `ostler builds`: the newest builds.
import {Option} from 'commander'
import {results} from '../../../worker/protocol/results.ts'
import {buildShape, list} from '../../http/shapes.ts'
import {coloured, plain, sayJson, span, table} from '../print.ts'
import {clientOf, clientVerb, count, type ClientFlags, type Verb} from '../verb.ts'

interface Flags extends ClientFlags {
  readonly builder?: string
  readonly branch?: string
  readonly revision?: string
  readonly result?: string
  readonly limit: number
}

export const builds: Verb = (program) =>
  clientVerb(program, 'builds', 'list builds, newest first')
    .option('--builder <name>', 'of this builder')
    .option('--branch <branch>', 'of this branch')
    .option('--revision <revision>', 'of this commit')
    .addOption(new Option('--result <result>', 'with this result').choices([...results]))
    .option('--limit <n>', 'at most so many', count, 20)
    .action(async ({builder, branch, revision, result, limit, ...flags}: Flags) => {
      const client = await clientOf(flags)
      const found = await client.get(list(buildShape), '/builds', {builder, branch, revision, result, limit})
      if (flags.json) return sayJson(found)
      table(
        ['ID', 'BUILD', 'RESULT', 'TOOK', 'BRANCH', 'REVISION', 'WORKER', 'REASON'],
        found.items.map((build) => [
          build.id,
          `${build.builder} #${build.number}`,
          coloured(build.result ?? build.state),
          span(build.startedAt, build.finishedAt),
          plain(build.sourceStamps[0]?.branch ?? ''),
          (build.gotRevision ?? build.sourceStamps[0]?.revision ?? '').slice(0, 12),
          build.worker ?? '',
          plain(build.reason),
        ]),
      )
    })
