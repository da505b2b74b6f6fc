"""What papers claim of their methods: small studies, one file a family, that show it or do not."""
