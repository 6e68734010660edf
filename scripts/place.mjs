// Where this clone lies: whether it can be written and has room, told in a sentence that names the remedy. Plain Node
// without packages.
import fs, {accessSync, constants, existsSync, lstatSync, statSync} from 'node:fs'
import {userInfo} from 'node:os'
import {dirname, join} from 'node:path'
import {fileURLToPath} from 'node:url'

/** The repository's folder. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Something that a person must put right; shown without a stack. */
export class NotReady extends Error {}

const megabytesWanted = 400

/** Refuses a folder into which the packages cannot be installed. */
export function checkFolder(why) {
  checkWritable(why)
  const modules = join(root, 'node_modules')
  if (!existsSync(modules)) checkRoom()
  else if (lstatSync(modules).isSymbolicLink())
    throw new NotReady(
      `node_modules is a link, so its packages are somebody else's to install (${why}): run npm ci where it leads.`,
    )
}

/** Refuses a folder that must be written to, since `why`, and cannot be. */
export function checkWritable(why) {
  const places = [root, join(root, 'node_modules'), join(root, 'dist')].filter((place) => existsSync(place))
  for (const place of places) {
    try {
      accessSync(place, constants.W_OK)
    } catch (error) {
      const owner = statSync(place).uid
      throw new NotReady(
        error.code === 'EROFS'
          ? `${place} is on a read-only file system and must be written to (${why}): clone to another place.`
          : `${place} cannot be written by ${whoami()} (it belongs to user id ${owner}; ${why}): make a clone of your own.`,
      )
    }
  }
}

function checkRoom() {
  const {bavail, blocks, bsize} = fs.statfsSync(root) // unknown to a Node so old that it is to be told so
  const free = Math.floor((bavail * bsize) / 1e6)
  // Some file systems tell no sizes at all.
  if (blocks > 0 && free < megabytesWanted)
    throw new NotReady(
      `${root} has ${free} MB free, and the packages need about ${megabytesWanted}: make room, or clone to another place.`,
    )
}

/** What a system call's refusal means here, as something to put right; other errors as they are. */
export function readable(error) {
  const where = error.path ?? root
  if (['ENOSPC', 'EDQUOT'].includes(error.code))
    return new NotReady(`The disk of ${where} is full: make room.`)
  if (['EACCES', 'EPERM', 'EROFS'].includes(error.code))
    return new NotReady(
      `${where} cannot be written by ${whoami()} (${error.code}): make a clone of your own.`,
    )
  return error
}

export function isWritable(folder) {
  try {
    accessSync(folder, constants.W_OK)
    return true
  } catch {
    return false
  }
}

/** The user's name, also for one who has none. */
export function whoami() {
  try {
    return userInfo().username
  } catch {
    return `user id ${process.getuid()}`
  }
}
