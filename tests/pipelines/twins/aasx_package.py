"""AASX packages around a document, as the tools of the standard write them, or damaged."""

import io
import zipfile

_RELATIONSHIPS = "http://admin-shell.io/aasx/relationships"
_RELS = (
    '<?xml version="1.0" encoding="utf-8"?>'
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{}</Relationships>'
)
_TYPES = (
    '<?xml version="1.0" encoding="utf-8"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="text/xml"/><Default Extension="json" ContentType="text/json"/>'
    '<Default Extension="png" ContentType="image/png"/>'
    '<Override PartName="/aasx/aasx-origin" ContentType="text/plain"/></Types>'
)


def aasx_package(
    document: bytes, *, name: str = "twin.xml", origin: bool = True, more: dict[str, bytes] | None = None
) -> bytes:
    """Return a package with one document and, if wanted, other parts."""
    content = io.BytesIO()
    target = f'<Relationship Id="r1" Type="{_RELATIONSHIPS}/{{}}" Target="{{}}"/>'
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("[Content_Types].xml", _TYPES)
        first = target.format("aasx-origin", "/aasx/aasx-origin") if origin else ""
        package.writestr("_rels/.rels", _RELS.format(first))
        package.writestr("aasx/aasx-origin", "Intentionally empty.")
        second = target.format("aas-spec", f"/aasx/{name}")
        package.writestr("aasx/_rels/aasx-origin.rels", _RELS.format(second))
        package.writestr(f"aasx/{name}", document)
        for part, data in (more or {}).items():
            package.writestr(part, data)
    return content.getvalue()
