"""Reading files as people have them: any dialect, wide or long, one file or many, into the columns of a contract."""
