// `ostler completion`: what bash or zsh must load to complete this command, for whoever did not install the package.
import {Argument} from 'commander'
import {bashCompletion} from '../shell/bash.ts'
import {usageOf} from '../shell/usage.ts'
import {zshCompletion} from '../shell/zsh.ts'
import type {Verb} from '../verb.ts'

export const completion: Verb = (program) =>
  program
    .command('completion')
    .description('write the completion of this command for a shell')
    .addArgument(new Argument('<shell>', 'the shell').choices(['bash', 'zsh']))
    .addHelpText(
      'after',
      `
The packages bring it along. Else: source <(ostler completion bash) in ~/.bashrc, or
source <(ostler completion zsh) in ~/.zshrc, after compinit.`,
    )
    .action((shell: 'bash' | 'zsh') => {
      const usage = usageOf(program)
      process.stdout.write(shell === 'bash' ? bashCompletion(usage) : zshCompletion(usage))
    })
