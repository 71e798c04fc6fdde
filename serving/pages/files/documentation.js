// A link within the button that opens an operation is nothing that a keyboard or a screen reader can tell apart.
const PlainNames = () => ({
  wrapComponents: {
    DeepLink: (_, system) => ({ text }) => system.React.createElement("span", null, text),
  },
});

// What Swagger UI leaves without a name, or out of a keyboard's reach, whenever it draws anew.
const ATTRIBUTES = [
  ["select#servers", "aria-label", "Server"],
  [".opblock-body select", "aria-label", "Choice"],
  [".opblock-body textarea", "aria-label", "Request body"],
  [".opblock-body input", "aria-label", "Value"],
  [".copy-to-clipboard button", "aria-label", "Copy"],
  ["pre", "tabindex", "0"],
];
const complete = () =>
  ATTRIBUTES.forEach(([selector, attribute, value]) =>
    document
      .querySelectorAll(`#swagger-ui ${selector}:not([${attribute}])`)
      .forEach((element) => element.setAttribute(attribute, value)),
  );
new MutationObserver(complete).observe(document.getElementById("swagger-ui"), { childList: true, subtree: true });

SwaggerUIBundle({
  url: document.getElementById("document").href,
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
  plugins: [PlainNames],
  syntaxHighlight: false,
});
