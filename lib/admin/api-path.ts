/** Where the HTTP API is; apart from the API, which is loaded only where it is configured. */
export const API_PATH = '/api/v1';
