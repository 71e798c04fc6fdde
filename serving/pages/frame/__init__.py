"""What all pages share: layout, texts, formats of times and numbers, the viewer, forms."""
