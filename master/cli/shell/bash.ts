// Completion for bash: tables of the command line, and one function that reads them. It needs nothing but bash itself.
import {offerFor, type Offer} from './completion.ts'
import {everyUsage, type Usage} from './usage.ts'

/** The script that bash loads, from a file or by `source <(ostler completion bash)`. */
export function bashCompletion(usage: Usage): string {
  const [name = ''] = usage.path
  const fn = `_${name.replaceAll('-', '_')}`
  const all = everyUsage(usage)
  return `# Completion of ${name} for bash, printed from what its help says.

# What may follow a command: its verbs, its options, those that take a value, and what its words may be.
${fn}_knows() {
  verbs= options= valued= words= kind=nothing
  case $1 in
${all.map((each) => knowsCase(each)).join('\n')}
  esac
}

# What may follow an option of a command.
${fn}_value() {
  words= kind=nothing
  case $1 in
${all.flatMap((each) => valueCases(each)).join('\n')}
  esac
}

${fn}() {
  local path='${name}' cur=\${COMP_WORDS[COMP_CWORD]} word at skip= option= verbs options valued words kind
  ${fn}_knows "$path"
  for ((at = 1; at < COMP_CWORD; at++)); do
    word=\${COMP_WORDS[at]}
    if [[ $word == = ]]; then continue; fi
    if [[ $skip ]]; then skip= option=; continue; fi
    if [[ $word == -* ]]; then
      if [[ " $valued " == *" $word "* ]]; then skip=yes option=$word; fi
    elif [[ " $verbs " == *" $word "* ]]; then
      path+=" $word"
      ${fn}_knows "$path"
    fi
  done
  if [[ $cur == = ]]; then cur=; fi
  if [[ $option ]]; then
    ${fn}_value "$path $option"
  elif [[ $cur == -* ]]; then
    words=$options kind=words
  elif [[ $verbs ]]; then
    words=$verbs kind=words
  fi
  COMPREPLY=()
  case $kind in
    words) mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur") ;;
    files) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    directories) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
  esac
}

complete -F ${fn} ${name}
`
}

function knowsCase(usage: Usage): string {
  const {path, verbs, options, arguments: given} = usage
  const valued = options.filter(({takes}) => takes !== null).flatMap(({names}) => names)
  const said = [
    assign(
      'verbs',
      verbs.map((verb) => verb.path.at(-1) ?? ''),
    ),
    assign(
      'options',
      options.flatMap(({names}) => names),
    ),
    assign('valued', valued),
    ...(given[0] ? offered(offerFor(given[0])) : []),
  ]
  return `    '${path.join(' ')}') ${said.filter((part) => part !== '').join(' ')} ;;`
}

const valueCases = ({path, options}: Usage): string[] =>
  options.flatMap((option) => {
    const offer = offerFor(option)
    if (option.takes === null || offer.offer === 'nothing') return []
    const patterns = option.names.map((name) => `'${[...path, name].join(' ')}'`)
    return [`    ${patterns.join(' | ')}) ${offered(offer).join(' ')} ;;`]
  })

function offered(offer: Offer): string[] {
  if (offer.offer === 'nothing') return []
  return offer.offer === 'words' ? [assign('words', offer.words), 'kind=words'] : [`kind=${offer.offer}`]
}

const assign = (name: string, words: readonly string[]): string =>
  words.length === 0 ? '' : `${name}='${words.join(' ')}'`
