// `ostler check-config`: every problem of a configuration at once, each at its place.
import {readConfiguration} from '../../world/configuration.ts'
import {problemLine} from '../../world/settings.ts'
import {exits} from '../exits.ts'
import {plural, say, sayError, sayJson} from '../print.ts'
import type {Verb} from '../verb.ts'

export const checkConfig: Verb = (program, end) =>
  program
    .command('check-config <file>')
    .description('check a configuration; problems go to standard error')
    .option('--json', 'write the problems as JSON')
    .action(async (file: string, {json}: {json?: boolean}) => {
      const {config, problems} = await readConfiguration(file)
      if (json) sayJson({file, good: config !== null, problems})
      else for (const problem of problems) sayError(problemLine(problem))
      if (config === null) return end(exits.failed)
      if (!json)
        say(
          `${file} is good: ${counted(config.builders, 'builder')}, ${counted(config.schedulers, 'scheduler')}, ${counted(config.changeSources, 'source')}, ${counted(config.promotions.rules, 'promotion rule')}`,
        )
    })

const counted = (things: readonly unknown[], word: string): string => plural(things.length, word)
