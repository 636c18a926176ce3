/** Bounds that hold on both sides of a wall: node, worker and isolate. */

/** Bytes of a body that may be under way without having been taken, each direction. */
export const WINDOW_BYTES = 256 * 1024
/** The longest part of a body in one frame. */
export const CHUNK_BYTES = 64 * 1024
/** A body that is complete when the head leaves, and no longer than this, travels in the head's frame. */
export const INLINE_BYTES_MAX = 64 * 1024
/** Arguments of one call; a manifest names as many parameters. */
export const ARGUMENTS_MAX = 64
/** Bytes of the arguments in one call of another function: what a function takes unless it says otherwise. */
export const ASK_BYTES_MAX = 1024 * 1024
/** Objects and arrays in one another in a result: whoever reads it may do so by recursion. */
export const RESULT_DEPTH_MAX = 5000
/** What a response's headers may have: how many, characters of one name, characters of all names and values. */
export const HEADERS_MAX = 256
export const HEADER_NAME_MAX = 256
export const HEADER_CHARACTERS_MAX = 64 * 1024
/** Lines of one call beyond these are counted, not kept. */
export const LOG_LINES_MAX = 256
/** Characters inside, bytes outside. */
export const LOG_LINE_MAX = 4096
/** Characters of a URL that a function fetches. */
export const FETCH_URL_MAX = 16 * 1024
/** crypto.subtle. Bytes of one operation, and of all operations of an instance that are under way: what a worker holds for it besides its memory. */
export const CRYPTO_BYTES_MAX = 16 * 1024 * 1024
/** Operations of one instance that are under way outside; more wait inside, on the instance's own memory. */
export const CRYPTO_OPEN_MAX = 16
/** Instances share an isolate when their function has this limit, the usual one, and an artifact that is compiled in less than a millisecond. */
export const SHARED_MEMORY_MB = 64
export const SHARED_ARTIFACT_BYTES_MAX = 32 * 1024
/** Compiled code is kept of artifacts above this, which take longer than a trip to a thread and back to compile… */
export const CACHED_ARTIFACT_BYTES_MIN = 32 * 1024
/** …and up to this: what compiling once more takes has to fit beside the instances of a worker. */
export const CACHED_ARTIFACT_BYTES_MAX = 2 * 1024 * 1024
/** What is kept of one: no more than fits into any frame of a worker. */
export const CODE_CACHE_BYTES_MAX = 2 * 1024 * 1024
