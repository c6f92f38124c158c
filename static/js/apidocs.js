/** Shows the API's own description. Requests that are tried here go out as the page's: with its session. */

/** @typedef {(options: Record<string, unknown>) => unknown} SwaggerUI */

const show = /** @type {SwaggerUI} */ (/** @type {any} */ (window).SwaggerUIBundle);
show({
  url: "/api/v1/openapi.json",
  dom_id: "#api",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
  tryItOutEnabled: false,
});
