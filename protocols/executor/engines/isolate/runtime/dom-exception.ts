/** DOMException (Web IDL). */
import { remember } from './lazy.ts'
import { stringOf } from './text.ts'

/** Names that have a code, which is their place counted from 1. */
const NAMES =
  'IndexSizeError - HierarchyRequestError WrongDocumentError InvalidCharacterError - NoModificationAllowedError NotFoundError NotSupportedError InUseAttributeError InvalidStateError SyntaxError InvalidModificationError NamespaceError InvalidAccessError - TypeMismatchError SecurityError NetworkError AbortError URLMismatchError QuotaExceededError TimeoutError InvalidNodeTypeError DataCloneError'.split(
    ' ',
  )

export class DOMException extends Error {
  readonly #name: string

  constructor(message: unknown = '', options: unknown = 'Error') {
    const named = typeof options === 'object' && options !== null ? (options as { name?: unknown; cause?: unknown }) : undefined
    super(stringOf(message), named !== undefined && 'cause' in named ? { cause: named.cause } : undefined)
    // Web IDL has the message on the prototype of errors; an own, hidden one reads the same.
    this.#name = stringOf(named === undefined ? options : (named.name ?? 'Error'))
  }

  override get name(): string {
    return this.#name
  }

  get code(): number {
    return this.#name === '-' ? 0 : NAMES.indexOf(this.#name) + 1
  }

  get [Symbol.toStringTag](): string {
    return 'DOMException'
  }
}

/** As `INDEX_SIZE_ERR` and so on, on the class and on what it makes. */
const CONSTANTS: Record<string, number> = {
  ...{ INDEX_SIZE_ERR: 1, DOMSTRING_SIZE_ERR: 2, HIERARCHY_REQUEST_ERR: 3, WRONG_DOCUMENT_ERR: 4, INVALID_CHARACTER_ERR: 5 },
  ...{ NO_DATA_ALLOWED_ERR: 6, NO_MODIFICATION_ALLOWED_ERR: 7, NOT_FOUND_ERR: 8, NOT_SUPPORTED_ERR: 9, INUSE_ATTRIBUTE_ERR: 10 },
  ...{ INVALID_STATE_ERR: 11, SYNTAX_ERR: 12, INVALID_MODIFICATION_ERR: 13, NAMESPACE_ERR: 14, INVALID_ACCESS_ERR: 15 },
  ...{ VALIDATION_ERR: 16, TYPE_MISMATCH_ERR: 17, SECURITY_ERR: 18, NETWORK_ERR: 19, ABORT_ERR: 20, URL_MISMATCH_ERR: 21 },
  ...{ QUOTA_EXCEEDED_ERR: 22, TIMEOUT_ERR: 23, INVALID_NODE_TYPE_ERR: 24, DATA_CLONE_ERR: 25 },
}
for (const name of Object.keys(CONSTANTS))
  for (const target of [DOMException, DOMException.prototype])
    Object.defineProperty(target, name, { value: CONSTANTS[name], enumerable: true })

remember(DOMException)
