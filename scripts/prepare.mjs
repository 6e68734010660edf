// npm's `prepare`: after `npm ci` in a clone everything is built and `npx ostler` works. Without the packages for
// building (`--omit=dev`, or an installed copy) it only links the command.
import {existsSync} from 'node:fs'
import {join} from 'node:path'
import {build, linkCommand, recordInstalled, root} from './build.mjs'
import {NotReady, readable} from './place.mjs'

if (existsSync(join(root, 'node_modules', 'typescript'))) {
  try {
    recordInstalled()
    await build(console.log)
  } catch (error) {
    const told = readable(error)
    console.error(told instanceof NotReady ? told.message : told)
    process.exitCode = 1
  }
} else if (existsSync(join(root, 'node_modules'))) {
  linkCommand()
}
