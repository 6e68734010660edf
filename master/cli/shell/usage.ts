// A command line as plain data: what its help says, for whatever is printed from the same source.
import type {EventEmitter} from 'node:events'
import type {Argument, Command, Option} from 'commander'

export interface UsageOption {
  /** `-f, --follow` or `--master <url>`, as the help shows it. */
  readonly flags: string
  /** `-f` and `--follow`, each as it is typed. */
  readonly names: readonly string[]
  /** What it takes, such as `url`; null when it is a switch. */
  readonly takes: string | null
  readonly choices: readonly string[]
  readonly summary: string
  readonly isRequired: boolean
  /** What stands for it when it is not given, in words; null when nothing does. */
  readonly preset: string | null
  readonly environment: string | null
}

export interface UsageArgument {
  readonly name: string
  readonly isRequired: boolean
  readonly repeats: boolean
  readonly choices: readonly string[]
  readonly summary: string
}

export interface Usage {
  /** As it is typed: `ostler`, `ostler token`, `ostler token list`. */
  readonly path: readonly string[]
  readonly summary: string
  readonly arguments: readonly UsageArgument[]
  readonly options: readonly UsageOption[]
  readonly verbs: readonly Usage[]
  /** The text below the options. */
  readonly after: string
}

/** Reads a tree of commands; `before` are the words that are typed before this one's name. */
export function usageOf(command: Command, before: readonly string[] = []): Usage {
  const path = [...before, command.name()]
  const view = command.createHelp()
  return {
    path,
    summary: command.description(),
    arguments: command.registeredArguments.map(argumentOf),
    options: view.visibleOptions(command).map(optionOf),
    verbs: view
      .visibleCommands(command)
      .filter((each) => each.name() !== 'help')
      .map((each) => usageOf(each, path)),
    after: afterHelp(command),
  }
}

/** A command and all below it, in the order of the help. */
export const everyUsage = (usage: Usage): readonly Usage[] => [usage, ...usage.verbs.flatMap(everyUsage)]

/** The line that says how it is typed, without the word `Usage`. */
export function synopsis(usage: Usage): string {
  const {path, options, verbs} = usage
  const required = options.filter((option) => option.isRequired).map(({flags}) => flags)
  return [
    ...path,
    ...required,
    '[options]',
    ...(verbs.length > 0 ? ['[command]'] : []),
    ...argumentsOf(usage),
  ].join(' ')
}

/** `<rule>`, `[step]`, `[rule...]`: what a command takes beside options. */
export const argumentsOf = (usage: Usage): readonly string[] =>
  usage.arguments.map(({name, isRequired, repeats}) => {
    const shown = repeats ? `${name}...` : name
    return isRequired ? `<${shown}>` : `[${shown}]`
  })

const argumentOf = (argument: Argument): UsageArgument => ({
  name: argument.name(),
  isRequired: argument.required,
  repeats: argument.variadic,
  choices: argument.argChoices ?? [],
  summary: argument.description,
})

function optionOf(option: Option): UsageOption {
  const {flags, short, long, required, optional, mandatory, argChoices, description, envVar} = option
  return {
    flags,
    names: [short, long].filter((name) => name !== undefined),
    takes: required || optional ? (/[<[]([^>\]]+)[>\]]/.exec(flags)?.[1] ?? 'value') : null,
    choices: argChoices ?? [],
    summary: description,
    isRequired: mandatory,
    preset: wordsOf(option.defaultValue),
    environment: envVar ?? null,
  }
}

const wordsOf = (preset: unknown): string | null =>
  typeof preset === 'string' || typeof preset === 'number' ? String(preset) : null

function afterHelp(command: Command): string {
  let text = ''
  // That it emits is not in its types, yet what `addHelpText` relies on.
  const emitter = command as unknown as EventEmitter
  emitter.emit('afterHelp', {error: false, command, write: (more: string) => (text += more)})
  return text.trim()
}
