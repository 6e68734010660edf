// Completion for zsh: a function for each command, with what its help says beside every option.
import {offerFor} from './completion.ts'
import {everyUsage, type Usage, type UsageArgument, type UsageOption} from './usage.ts'

/** The file `_NAME` of zsh's functions; it also works when it is sourced after `compinit`. */
export function zshCompletion(usage: Usage): string {
  const [name = ''] = usage.path
  return `#compdef ${name}
# Completion of ${name} for zsh, printed from what its help says.

${everyUsage(usage).map(functionOf).join('\n\n')}

if [ "$funcstack[1]" = "_${name}" ]; then
  _${name} "$@"
else
  compdef _${name} ${name}
fi
`
}

const nameOf = ({path}: Usage): string => `_${path.join('-')}`

function functionOf(usage: Usage): string {
  const specs = [
    ...usage.options.map(optionSpec),
    ...(usage.verbs.length > 0 ? [`'1: :->verb'`, `'*:: :->words'`] : usage.arguments.map(argumentSpec)),
  ]
  const asked = `  _arguments ${usage.verbs.length > 0 ? '-C ' : ''}-s \\\n${specs.map((spec) => `    ${spec}`).join(' \\\n')}`
  if (usage.verbs.length === 0) return `${nameOf(usage)}() {\n${asked}\n}`
  return `${nameOf(usage)}() {
  local state line
  local -a verbs=(
${usage.verbs.map((verb) => `    '${escaped(verb.path.at(-1) ?? '')}:${escaped(verb.summary)}'`).join('\n')}
  )
${asked}
  case $state in
    verb) _describe -t commands command verbs ;;
    words)
      case $line[1] in
${usage.verbs.map((verb) => `        ${verb.path.at(-1) ?? ''}) ${nameOf(verb)} ;;`).join('\n')}
      esac ;;
  esac
}`
}

function optionSpec(option: UsageOption): string {
  const {names, takes, summary} = option
  const told = `[${escaped(summary)}]`
  const value = takes === null ? '' : `:${escaped(takes)}:${actionOf(option)}`
  const [first = ''] = names
  if (names.length > 1) return `'(${names.join(' ')})'{${names.join(',')}}'${told}${value}'`
  // Given as one word with = or as two; again and again, since many may be.
  return `'*${first}${takes === null ? '' : '='}${told}${value}'`
}

function argumentSpec(argument: UsageArgument): string {
  const place = argument.repeats ? '*' : argument.isRequired ? '' : ':'
  return `'${place}:${escaped(argument.name)}:${actionOf(argument)}'`
}

function actionOf(value: UsageOption | UsageArgument): string {
  const offer = offerFor(value)
  switch (offer.offer) {
    case 'words':
      return `(${offer.words.map(escaped).join(' ')})`
    case 'files':
      return '_files'
    case 'directories':
      return '_files -/'
    case 'nothing':
      // No action at all would, by the message of it, hide the options that fit as well.
      return '()'
  }
}

/** Harmless between the single quotes and inside the brackets of a specification. */
const escaped = (text: string): string => text.replace(/[\\[\]:]/g, '\\$&').replaceAll("'", "'\\''")
