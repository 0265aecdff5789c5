from setuptools import setup

setup(
    name="chatgate-memorystore",
    version="1.0",
    packages=["chatgate_memorystore"],
    install_requires=["chatgate"],
    entry_points={"chatgate": ["memorystore = chatgate_memorystore:MemoryStorePlugin"]},
)
